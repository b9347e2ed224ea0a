"""Grey, saturation and colour jitter."""

from __future__ import annotations

import numpy as np
import torch

# ITU-R 601-2 luma, in 65536ths, as Pillow's convert("L").
_LUMA = (19595, 38470, 7471)


def grey_of(pixels: torch.Tensor) -> torch.Tensor:
    """Pillow's convert("L"): (n, 1, H, W) uint8 of (n, 3, H, W) uint8."""
    red, green, blue = pixels.int().unbind(1)
    luma = red.mul_(_LUMA[0]).add_(green, alpha=_LUMA[1]).add_(blue, alpha=_LUMA[2])
    return luma.add_(1 << 15).bitwise_right_shift_(16).to(torch.uint8).unsqueeze(1)


def saturate(pixels: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Multiply each pixel's distance from its own grey, as ImageEnhance.Color.

    Args:
        pixels: (n, 3, H, W) uint8.
        factor: (n,); 0 is grey, 1 leaves the image as it is.
    Returns:
        uint8, fractions cut off.
    """
    grey = grey_of(pixels).float()
    return blend_levels(grey, pixels.float(), factor)


def blend_levels(start: torch.Tensor, end: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """start + factor · (end - start) for (n, …) levels and (n,) factors; uint8, fractions cut off as Pillow does."""
    difference = (end - start).mul_(factor.view(-1, 1, 1, 1))
    return difference.add_(start).clamp_(0, 255).to(torch.uint8)


def jitter_factors(draws: np.ndarray, strength: float) -> np.ndarray:
    """(n, 3) factors of brightness, contrast and saturation, even from 1 - strength to 1 + strength.

    Args:
        draws: (n, 3) numbers in [0, 1).

    >>> jitter_factors(np.array([[0.0, 0.5, 0.75]]), 0.4).tolist()
    [[0.6, 1.0, 1.2]]
    """
    return np.asarray(1.0 + strength * (2.0 * draws - 1.0))


def jitter(pixels: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Change brightness, then contrast about the image's mean grey, then saturation about each pixel's grey.

    Args:
        pixels: (n, 3, H, W) floating point in [0, 1]; overwritten.
        factors: (n, 3), as of ``jitter_factors``.
    """
    luma = pixels.new_tensor(_LUMA).div_(1 << 16)
    brightness, contrast, saturation = (factor.view(-1, 1, 1, 1) for factor in factors.unbind(1))
    pixels.mul_(brightness).clamp_(0.0, 1.0)
    mean = (pixels.mean(dim=(2, 3)) * luma).sum(dim=1).view(-1, 1, 1, 1)
    pixels.mul_(contrast).add_(mean * (1.0 - contrast)).clamp_(0.0, 1.0)
    grey = pixels[:, 0] * luma[0] + pixels[:, 1] * luma[1] + pixels[:, 2] * luma[2]
    return pixels.mul_(saturation).add_(grey.unsqueeze(1) * (1.0 - saturation)).clamp_(0.0, 1.0)
