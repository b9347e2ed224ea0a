"""Sharpness and blur."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812

from finetune.pixels.augmentation.colour import blend_levels

BLUR_SIGMAS_PX = (0.1, 2.0)
"""DeiT III's range."""


def sharpen(pixels: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Away from the smoothed image, or towards it where the factor is below 1, as ImageEnhance.Sharpness.

    Args:
        pixels: (n, 3, H, W) uint8, at least 3 px high and wide. The outermost pixels stay.
        factor: (n,).
    """
    levels = pixels.float()
    rows = levels[:, :, :-2] + levels[:, :, 1:-1] + levels[:, :, 2:]
    box = (rows[..., :-2] + rows[..., 1:-1]).add_(rows[..., 2:])
    inner = levels[:, :, 1:-1, 1:-1]
    # Pillow's SMOOTH: ones around a 5, over 13, rounded.
    smooth = box.add_(inner, alpha=4.0).div_(13.0).add_(0.5).floor_()
    sharpened = pixels.clone()
    sharpened[:, :, 1:-1, 1:-1] = blend_levels(smooth, inner, factor)
    return sharpened


def gaussian_blur(pixels: torch.Tensor, sigma_px: torch.Tensor) -> torch.Tensor:
    """Blur each image by its own standard deviation; beyond the edge, the edge goes on.

    Args:
        pixels: (n, 3, H, W) uint8.
        sigma_px: (n,), at most ``BLUR_SIGMAS_PX[1]``.
    Returns:
        uint8, rounded.
    """
    n, channels, height, _ = pixels.shape
    reach = math.ceil(3 * BLUR_SIGMAS_PX[1])
    offsets = torch.arange(-reach, reach + 1, device=pixels.device, dtype=torch.float32)
    weights = torch.exp(-0.5 * (offsets / sigma_px.float().view(-1, 1)) ** 2)
    weights = (weights / weights.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    # every channel of every image is a channel of its own, with a filter of its own
    rows = F.pad(pixels.float(), (reach,) * 4, mode="replicate").view(1, n * channels, height + 2 * reach, -1)
    rows = F.conv2d(rows, weights.view(n * channels, 1, -1, 1), groups=n * channels)
    blurred = F.conv2d(rows, weights.view(n * channels, 1, 1, -1), groups=n * channels)
    return blurred.add_(0.5).to(torch.uint8).view(pixels.shape)
