"""Images and recipes for the data tests; every test that asks for `load` has a cache folder of its own."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for this test."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("DEIT_FINETUNE_CACHE", str(folder))
    return folder


@pytest.fixture
def draw() -> Callable[..., Path]:
    """``draw(path, seed)``: a small image at a path, different for every seed."""

    def write(path: Path, seed: int = 0, size: tuple[int, int] = (6, 5)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def images(tmp_path: Path, draw: Callable[..., Path]) -> Callable[..., Path]:
    """``images("can/1.png", …)``: different images at these paths below a root, which is returned."""

    def write(*names: str, root: str = "data") -> Path:
        for seed, name in enumerate(names):
            draw(tmp_path / root / name, seed)
        return tmp_path / root

    return write


@pytest.fixture
def png_that_claims() -> Callable[[int, int], bytes]:
    """``png_that_claims(width, height)``: a tiny file whose header says this size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    def make(width: int, height: int) -> bytes:
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")

    return make


@pytest.fixture
def recipe() -> Callable[..., Any]:
    """``recipe(task, **data)``: a recipe with this data section."""
    from finetune.recipe.sections import Recipe

    def make(task: str = "multiclass", **data: Any) -> Any:
        data = {name: str(value) if isinstance(value, Path) else value for name, value in data.items()}
        return Recipe(task=task, data=data)

    return make


@pytest.fixture
def load(own_cache: Path, recipe: Callable[..., Any]) -> Callable[..., Any]:
    """``load(task, **data)``: the splits of a recipe with this data section."""
    from finetune.data import load_splits

    return lambda task="multiclass", **data: load_splits(recipe(task, **data))


@pytest.fixture
def table(tmp_path: Path, images: Callable[..., Path]) -> Callable[..., Path]:
    """``table(lines)``: a root with ``labels.csv`` of these lines and images 0.png … 9.png below ``images/``."""

    def write(lines: Iterable[str] | bytes, file: str = "labels.csv", end: str = "\n") -> Path:
        root = images(*(f"images/{number}.png" for number in range(10)))
        content = lines if isinstance(lines, bytes) else "".join(line + end for line in lines).encode()
        (root / file).write_bytes(content)
        return root

    return write
