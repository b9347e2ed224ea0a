"""Batches as the loader gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from finetune.pixels import PixelPipeline
from finetune.pixels.augmentation.draws import draw_numbers
from finetune.recipe.augmentation import Augmentation

SIDE = 32


@pytest.fixture
def pixels() -> PixelPipeline:
    return PixelPipeline("squash", SIDE, None, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture
def draws_of() -> Callable[..., np.ndarray]:
    """``draws_of(augmentation, n)``: the numbers of images 0 to n - 1."""

    def make(augmentation: Augmentation, n: int, epoch: int = 0) -> np.ndarray:
        return np.stack([draw_numbers(augmentation, np.random.default_rng([epoch, i])) for i in range(n)])

    return make


@pytest.fixture
def batch_of(draws_of: Callable[..., np.ndarray]) -> Callable[..., dict[str, Any]]:
    """``batch_of(augmentation, n)``: noise, classes 0, 1, 2, 0, … and numbers."""

    def make(augmentation: Augmentation, n: int = 8, epoch: int = 0) -> dict[str, Any]:
        noise = np.random.default_rng(n).integers(0, 256, (n, 3, SIDE, SIDE), dtype=np.uint8)
        return {
            "pixels": torch.from_numpy(noise),
            "targets": torch.arange(n) % 3,
            "weights": torch.ones(n),
            "images": torch.arange(n),
            "draws": draws_of(augmentation, n, epoch),
        }

    return make
