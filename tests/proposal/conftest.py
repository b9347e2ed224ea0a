"""Tables and folders of the smallest images, in the forms that people have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def images(tmp_path: Path) -> Callable[..., Path]:
    """``images("photos/cat/1.jpg", …)``: real files below a folder of their own, which is returned."""

    def make(*names: str) -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4)).save(tmp_path / name)
        return tmp_path

    return make


@pytest.fixture
def table(images: Callable[..., Path]) -> Callable[..., Path]:
    """``table("labels.csv", ["file,label", "1.jpg,cat"])`` with an image for every row, in ``images/``."""

    def make(name: str, lines: Sequence[str], folder: str = "images", present: bool = True) -> Path:
        root = images()
        (root / folder).mkdir(parents=True, exist_ok=True)
        path = root / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        if present:
            files = {word.strip('"') for line in lines for word in line.replace(";", ",").split(",") if ".jpg" in word}
            images(*(f"{folder}/{file}" for file in files))
        return path

    return make
