"""The numbers that vary an image after its crop: drawn with the image, turned into parameters with its batch.

Every image brings its own row of evenly distributed numbers, so that what it gets depends on nothing but the run's
seed, the epoch, the image and its copy. Each subject has columns of its own: switching one off moves no other.

The rows stay on the host. Which images get which operation must be known there, to work on all that get the same one
at once, and asking a GPU for it would make every step wait for the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from finetune.recipe.augmentation import Augmentation

ERASING_TRIES = 10
_WIDTHS = {"color_jitter": 4, "three_augment": 3, "erasing": 3 + 4 * ERASING_TRIES, "mixing": 1}
PER_OPERATION = 4

# The ends, whose normal numbers are infinite, are cut off; float32 numbers in [0, 1) are multiples of 2^-24.
_SMALLEST = 2.0**-25


def draw_numbers(augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """One image's row.

    Args:
        rng: Of this image in this epoch alone.
    Returns:
        (columns,) float32 in [0, 1).
    """
    columns = sum(_WIDTHS.values()) + PER_OPERATION * augmentation.rand_augment_operations
    return rng.random(columns, dtype=np.float32)


def columns_of(draws: np.ndarray, subject: str) -> np.ndarray:
    """The columns of a subject, (n, width) float64; ``rand_augment`` gives (n, operations, PER_OPERATION).

    >>> columns_of(np.zeros((2, 59), dtype=np.float32), "rand_augment").shape
    (2, 2, 4)
    """
    start = 0
    for name, width in _WIDTHS.items():
        if name == subject:
            return draws[:, start : start + width].astype(np.float64)
        start += width
    return draws[:, start:].astype(np.float64).reshape(len(draws), -1, PER_OPERATION)


def to_normal(numbers: np.ndarray) -> np.ndarray:
    """Evenly distributed numbers to standard normal ones, by the inverse of the normal distribution function.

    >>> to_normal(np.array([0.5, 0.0])).round(2).tolist()
    [0.0, -5.42]
    """
    inner = np.clip(numbers, _SMALLEST, 1.0 - _SMALLEST)
    normal: np.ndarray = torch.special.ndtri(torch.from_numpy(inner)).numpy()
    return normal


def to_device(numbers: np.ndarray, device: torch.device) -> torch.Tensor:
    """Parameters as float32, or places in a batch as int64, where the pixels are."""
    kind = np.int64 if numbers.dtype.kind == "i" else np.float32
    return torch.from_numpy(numbers.astype(kind)).to(device, non_blocking=True)


def seed_of(row: np.ndarray) -> int:
    """A seed from a few of an image's numbers, of 24 bits each.

    >>> seed_of(np.array([0.5, 2.0**-24]))
    140737488355329
    """
    seed = 0
    for number in row.tolist():
        seed = seed << 24 | int(number * 2**24)
    return seed
