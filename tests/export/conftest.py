"""Run folders without training: a tiny model of either kind and task, and images of the awkward sorts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.run_folder import RunFolder

NAMES = ("can", "carton", "milk_bottle")


@pytest.fixture(scope="session")
def make_run(draw_run: Callable[..., RunFolder]) -> Callable[..., RunFolder]:
    """``make_run("vit", "multiclass")``: a finished run with weights drawn from a fixed seed, and no data."""
    return lambda kind, task, **evaluate: draw_run(NAMES, task, kind, std=0.4, evaluate=evaluate)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A JPEG, a PNG, a JPEG that its EXIF turns, and a CMYK JPEG, of smooth colours and unequal sides."""
    folder = tmp_path_factory.mktemp("photos")
    small = np.random.default_rng(3).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((80, 60), Image.Resampling.BICUBIC)
    turned = Image.Exif()
    turned[0x0112] = 6
    image.save(folder / "plain.jpg", quality=90)
    image.save(folder / "plain.png")
    image.save(folder / "turned.jpg", quality=90, exif=turned)
    image.convert("CMYK").save(folder / "cmyk.jpg", quality=90)
    return [folder / name for name in ("plain.jpg", "plain.png", "turned.jpg", "cmyk.jpg")]
