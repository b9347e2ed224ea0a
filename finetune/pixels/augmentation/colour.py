"""Grey and saturation."""

from __future__ import annotations

import torch

LUMA = (19595, 38470, 7471)
"""ITU-R 601-2 luma, in 65536ths, as Pillow's convert("L")."""


def grey_of(pixels: torch.Tensor) -> torch.Tensor:
    """Pillow's convert("L"): (n, 1, H, W) uint8 of (n, 3, H, W) uint8."""
    red, green, blue = pixels.int().unbind(1)
    luma = red.mul_(LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])
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
