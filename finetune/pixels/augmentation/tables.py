"""Operations that map each level of a channel to another: tables of 256 entries, applied to all images in one pass.

The arithmetic is that of Pillow's ImageOps and ImageEnhance on uint8.

Each table function takes ``pixels`` (n, 3, H, W) uint8 and one strength for each image, (n,) float32 on the same
device, and returns (n, 3, 256) uint8. Those that do not look at the image take its pixels all the same.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from finetune.pixels.augmentation.colour import grey_of

Table = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def look_up(pixels: torch.Tensor, tables: torch.Tensor) -> torch.Tensor:
    """Map each level through its image's and channel's table.

    Args:
        pixels: (n, 3, H, W) uint8.
        tables: (n, 3, 256) uint8.
    """
    n, channels, height, width = pixels.shape
    flat = pixels.reshape(n * channels, height * width).long()
    return torch.gather(tables.reshape(n * channels, 256), 1, flat).reshape(pixels.shape)


def histograms(pixels: torch.Tensor) -> torch.Tensor:
    """How often each level occurs, (n, channels, 256) int64, of (n, channels, H, W) uint8.

    ``torch.bincount`` would make the host wait for a GPU.
    """
    n, channels, height, width = pixels.shape
    offsets = torch.arange(n * channels, device=pixels.device).view(-1, 1) * 256
    places = pixels.reshape(n * channels, height * width).long().add_(offsets).reshape(-1)
    counts = torch.zeros(n * channels * 256, dtype=torch.int32, device=pixels.device)
    counts.scatter_add_(0, places, torch.ones((), dtype=torch.int32, device=pixels.device).expand(places.shape))
    return counts.view(n, channels, 256).long()


def invert(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Black becomes white; the strength has no effect."""
    return _same_for_channels(255 - _levels(strength))


def posterize(pixels: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
    """Keep the highest bits of each level; 0 bits leave black."""
    step = 2 ** (8 - bits.long()).view(-1, 1)
    return _same_for_channels(_levels(bits) // step * step)


def solarize(pixels: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
    """Invert the levels from the threshold up."""
    levels = _levels(threshold)
    return _same_for_channels(torch.where(levels < threshold.view(-1, 1), levels, 255 - levels))


def solarize_add(pixels: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
    """Make the darker half of the levels brighter."""
    levels = _levels(added)
    return _same_for_channels(torch.where(levels < 128, levels + added.long().view(-1, 1), levels))


def brightness(pixels: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Multiply each level."""
    return _same_for_channels(_levels(factor) * factor.view(-1, 1))


def contrast(pixels: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Multiply each level's distance from the mean grey level of the image."""
    grey = grey_of(pixels)
    mean = grey.sum(dim=(1, 2, 3), dtype=torch.int64).float().div(grey[0].numel()).add(0.5).floor().view(-1, 1)
    return _same_for_channels(mean + factor.view(-1, 1) * (_levels(factor) - mean))


def autocontrast(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Stretch each channel to the whole range; the strength has no effect."""
    low, high = (limit.long().unsqueeze(-1) for limit in (pixels.amin(dim=(2, 3)), pixels.amax(dim=(2, 3))))
    levels = _levels(strength).unsqueeze(1)
    stretched = (levels - low).clamp(min=0) * 255 // (high - low).clamp(min=1)
    return _to_uint8(torch.where(high > low, stretched, levels))


def equalize(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Make each channel's levels equally frequent; the strength has no effect."""
    counts = histograms(pixels)
    highest = pixels.amax(dim=(2, 3)).long().unsqueeze(-1)
    step = (counts.sum(dim=2, keepdim=True) - counts.gather(2, highest)) // 255
    below = counts.cumsum(dim=2) - counts
    spread = (step // 2 + below) // step.clamp(min=1)
    return _to_uint8(torch.where(step > 0, spread, _levels(strength).unsqueeze(1)))


def _levels(strength: torch.Tensor) -> torch.Tensor:
    """(1, 256) int64: 0 to 255."""
    return torch.arange(256, device=strength.device).view(1, 256)


def _same_for_channels(levels: torch.Tensor) -> torch.Tensor:
    """(n, 256), or (1, 256), to (n, 3, 256) uint8."""
    return _to_uint8(levels).unsqueeze(1).expand(-1, 3, -1)


def _to_uint8(levels: torch.Tensor) -> torch.Tensor:
    """Fractions are cut off, as Pillow does."""
    return levels.clamp(0, 255).to(torch.uint8)
