"""3-Augment: an image becomes grey, solarised or blurred.

Source: "DeiT III: Revenge of the ViT" (Touvron et al., 2022), section 3.2, and its published augment.py.
"""

from __future__ import annotations

import numpy as np
import torch

from finetune.pixels.augmentation.colour import grey_of
from finetune.pixels.augmentation.draws import columns_of, to_device
from finetune.pixels.augmentation.filters import BLUR_SIGMAS_PX, gaussian_blur
from finetune.pixels.augmentation.groups import change_parts


def three_augment(pixels: torch.Tensor, draws: np.ndarray, probability: float) -> torch.Tensor:
    """One of the three, each equally often, with the given probability.

    Args:
        pixels: (n, 3, H, W) uint8.
        draws: (n, columns) of ``draw_numbers``.
    """
    gate, which, strength = columns_of(draws, "three_augment").T
    chosen = np.where(gate < probability, (which * 3).astype(np.int64), -1)
    grey, solarised, blurred = (np.flatnonzero(chosen == number) for number in range(3))
    low, high = BLUR_SIGMAS_PX
    sigmas_px = to_device(low + strength[blurred] * (high - low), pixels.device)
    parts = ((grey, _grey), (solarised, _solarise), (blurred, lambda theirs: gaussian_blur(theirs, sigmas_px)))
    return change_parts(pixels, parts)


def _grey(pixels: torch.Tensor) -> torch.Tensor:
    return grey_of(pixels).expand_as(pixels)


def _solarise(pixels: torch.Tensor) -> torch.Tensor:
    """Invert the brighter half of the levels."""
    return torch.where(pixels < 128, pixels, 255 - pixels)
