"""Colour jitter: brightness, contrast and saturation of each image, in an order of its own.

Source: torchvision's ``ColorJitter``, which DeiT III was trained with and which draws factors and order in this way; it
    works on levels of uint8 that are rounded after each change, this on floating point.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch

from finetune.pixels.augmentation.colour import LUMA
from finetune.pixels.augmentation.draws import to_device

ORDERS = tuple(itertools.permutations(range(3)))
"""In which brightness (0), contrast (1) and saturation (2) may follow each other."""


def jitter_factors(draws: np.ndarray, strength: float) -> np.ndarray:
    """(n, 3) factors of brightness, contrast and saturation, even from 1 - strength to 1 + strength.

    Args:
        draws: (n, 3) numbers in [0, 1).

    >>> jitter_factors(np.array([[0.0, 0.5, 0.75]]), 0.4).tolist()
    [[0.6, 1.0, 1.2]]
    """
    return np.asarray(1.0 + strength * (2.0 * draws - 1.0))


def jitter_orders(draws: np.ndarray) -> np.ndarray:
    """(n,) places in ``ORDERS``, of (n,) numbers in [0, 1).

    >>> jitter_orders(np.array([0.0, 0.2, 0.99])).tolist()
    [0, 1, 5]
    """
    return (draws * len(ORDERS)).astype(np.int64)


def jitter(pixels: torch.Tensor, factors: torch.Tensor, orders: np.ndarray) -> torch.Tensor:
    """Change brightness, contrast about the image's mean grey, and saturation about each pixel's grey.

    All images of one order are worked on at once.

    Args:
        pixels: (n, 3, H, W) floating point in [0, 1]; overwritten.
        factors: (n, 3), as of ``jitter_factors``.
        orders: (n,), as of ``jitter_orders``.
    """
    luma = pixels.new_tensor(LUMA).div_(1 << 16)
    for order in np.unique(orders).tolist():
        places = to_device(np.flatnonzero(orders == order), pixels.device)
        theirs, by = pixels.index_select(0, places), factors.index_select(0, places)
        for change in ORDERS[order]:
            _CHANGES[change](theirs, by[:, change].view(-1, 1, 1, 1), luma)
        pixels.index_copy_(0, places, theirs)
    return pixels


def _brighten(pixels: torch.Tensor, factor: torch.Tensor, luma: torch.Tensor) -> None:
    pixels.mul_(factor).clamp_(0.0, 1.0)


def _contrast(pixels: torch.Tensor, factor: torch.Tensor, luma: torch.Tensor) -> None:
    mean = (pixels.mean(dim=(2, 3)) * luma).sum(dim=1).view(-1, 1, 1, 1)
    pixels.mul_(factor).add_(mean * (1.0 - factor)).clamp_(0.0, 1.0)


def _saturate(pixels: torch.Tensor, factor: torch.Tensor, luma: torch.Tensor) -> None:
    red, green, blue = pixels.unbind(1)
    grey = (red * luma[0]).add_(green * luma[1]).add_(blue * luma[2]).unsqueeze(1)
    pixels.mul_(factor).add_(grey.mul_(1.0 - factor)).clamp_(0.0, 1.0)


_CHANGES = (_brighten, _contrast, _saturate)
