"""All that varies images after their crop, on the device that trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from finetune.pixels.augmentation.draws import columns_of, to_device
from finetune.pixels.augmentation.erasing import erase
from finetune.pixels.augmentation.jitter import jitter, jitter_factors, jitter_orders
from finetune.pixels.augmentation.mixing import choose_mix, mix_pixels, mix_targets, pairs, soft_targets
from finetune.pixels.augmentation.rand_augment import rand_augment
from finetune.pixels.augmentation.three_augment import three_augment
from finetune.pixels.constants import on_device

if TYPE_CHECKING:
    import numpy as np

    from finetune.pixels.pipeline import PixelPipeline
    from finetune.recipe.augmentation import Augmentation

Batch = dict[str, Any]


class DeviceAugmentation:
    """Varies a whole batch at once: RandAugment, 3-Augment, colour jitter, erasing, mixing, in this order.

    What an image gets depends on its own ``draws`` alone, but for mixing: see ``mixing.choose_mix``.

    RandAugment and 3-Augment work on uint8, as Pillow and so timm do, and what follows in float32; autocast gives the
    result to the model in the run's precision. bfloat16 would be coarser (inverting and inverting back loses 31 of
    256 levels, lowering the contrast by a tenth merges 28) and slower (on a CPU with bf16 instructions, jitter takes
    1.2 and interpolation 1.4 times as long as in float32; only mixup gains).

    Args:
        augmentation: What is asked for.
        pixels: Its mean fills what a movement uncovers, and its mean and deviation make the noise of erasing.
        classes: Number of classes; class ids become rows of that length where images are mixed.
    """

    def __init__(self, augmentation: Augmentation, pixels: PixelPipeline, classes: int) -> None:
        self.augmentation, self.pixels, self.classes = augmentation, pixels, classes

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Batch:
        """Vary a batch.

        Args:
            batch: ``pixels`` (n, 3, H, W) uint8, ``targets``, ``weights`` (n,), ``draws`` (n, columns) on the host.
        Returns:
            The batch as it is where nothing is asked for after the crop. Else a new one whose ``pixels`` are float32
            in [0, 1] (but for the noise of erasing) and, where images are mixed, whose ``targets`` are float32
            (n, classes).
        """
        if not self.augmentation.varies_after_crop:
            return batch
        draws = batch["draws"]
        pixels = self._erase(self._jitter(_to_float(self._change_levels(batch["pixels"], draws)), draws), draws)
        return self._mix({**batch, "pixels": pixels}, draws)

    def _change_levels(self, pixels: torch.Tensor, draws: np.ndarray) -> torch.Tensor:
        if self.augmentation.rand_augment_operations:
            fill = on_device(self.pixels.mean, pixels.device).mul(255.0).round_()
            pixels = rand_augment(pixels, draws, self.augmentation, fill)
        if self.augmentation.three_augment:
            pixels = three_augment(pixels, draws, self.augmentation.three_augment)
        return pixels

    def _jitter(self, pixels: torch.Tensor, draws: np.ndarray) -> torch.Tensor:
        if not self.augmentation.color_jitter:
            return pixels
        numbers = columns_of(draws, "color_jitter")
        factors = jitter_factors(numbers[:, :3], self.augmentation.color_jitter)
        return jitter(pixels, to_device(factors, pixels.device), jitter_orders(numbers[:, 3]))

    def _erase(self, pixels: torch.Tensor, draws: np.ndarray) -> torch.Tensor:
        if not self.augmentation.erasing:
            return pixels
        mean, std = (on_device(values, pixels.device) for values in (self.pixels.mean, self.pixels.std))
        return erase(pixels, draws, self.augmentation.erasing, self.augmentation.erasing_area, mean, std)

    def _mix(self, batch: Batch, draws: np.ndarray) -> Batch:
        if not self.augmentation.mixes:
            return batch
        pixels, targets = batch["pixels"], soft_targets(batch["targets"], self.classes)
        mix, paired = choose_mix(draws, pixels.shape[-1], self.augmentation), pairs(batch["weights"])
        if mix is not None:
            pixels, targets = mix_pixels(pixels, mix, paired), mix_targets(targets, mix, paired)
        return {**batch, "pixels": pixels, "targets": targets}


def _to_float(levels: torch.Tensor) -> torch.Tensor:
    """uint8 to float32 in [0, 1], the very numbers that ``PixelPipeline.normalise`` makes of them."""
    return levels.to(torch.float32).div_(on_device((255.0,), levels.device))
