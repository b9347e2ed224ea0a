"""The drawn fridge set in folders of splits, and pictures that look like photographs without being stored."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def scene() -> Callable[..., Image.Image]:
    """``scene(seed)``: soft coloured shapes with fine grain, another picture for each seed."""

    def paint(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
        draws = np.random.default_rng(seed)
        coarse = Image.fromarray(draws.integers(0, 255, (6, 8, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
        grain = draws.normal(0, 12, (size[1], size[0], 1))
        return Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8))

    return paint


@pytest.fixture
def fridge(tmp_path: Path) -> Path:
    """The drawn fridge set of 134, every fifth of a class below test/, the others below train/."""
    from finetune.data.bundled import bundled_root

    root = tmp_path / "fridge"
    for folder in bundled_root("fridge-objects").iterdir():
        for number, file in enumerate(sorted(folder.iterdir())):
            target = root / ("test" if number % 5 == 0 else "train") / folder.name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    return root
