"""Images of awkward sizes, and pipelines of both kinds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from finetune.pixels import PixelPipeline

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture
def noise() -> Callable[[int, int], Image.Image]:
    """An RGB image of random pixels, ``noise(width, height)``."""

    def make(width: int, height: int) -> Image.Image:
        random = np.random.default_rng(width * 10_000 + height)
        return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))

    return make


@pytest.fixture
def squash() -> PixelPipeline:
    return PixelPipeline("squash", 64, None, "bicubic", *IMAGENET)


@pytest.fixture
def deit() -> PixelPipeline:
    """How DeiT was evaluated, at a quarter of the size."""
    return PixelPipeline("shortest_edge", 64, 56, "bicubic", *IMAGENET)
