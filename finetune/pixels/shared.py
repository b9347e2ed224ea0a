"""One model's pixels, handed on to another model that looks at the same images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from finetune.pixels.pipeline import PixelPipeline

if TYPE_CHECKING:
    import torch

# Torch has no Lanczos; its "nearest" differs from Pillow's, "nearest-exact" does not.
MODES = {"nearest": "nearest-exact", "bilinear": "bilinear", "bicubic": "bicubic", "lanczos": "bicubic"}


@dataclass(frozen=True)
class SharedPixels:
    """Crops as ``first`` has them; size, mean and standard deviation as ``second`` needs them.

    Args:
        first: The pipeline whose crops both models see.
        second: Of the other model; its resizing and cropping of whole images is not used.
    """

    first: PixelPipeline
    second: PixelPipeline

    def to_uint8(self, image: Image.Image) -> np.ndarray:
        """(3, H, W) uint8 of a decoded image, as the first model gets it."""
        return self.first.to_uint8(image)

    def normalise(self, batch: torch.Tensor) -> torch.Tensor:
        """What the second model takes, made on the batch's own device.

        Args:
            batch: (N, 3, H, W) as the first model gets it, uint8 or floating point in [0, 1].
        Returns:
            (N, 3, second.size_px, second.size_px) float32.
        """
        return self.second.normalise(_resampled(batch, self.second))


def _resampled(batch: torch.Tensor, pixels: PixelPipeline) -> torch.Tensor:
    """With antialiasing, as Pillow resamples, but without its rounding to 255 levels."""
    import torch.nn.functional as F  # noqa: N812

    if batch.shape[-1] == pixels.size_px:
        return batch
    values, mode = batch.float() if batch.is_floating_point() else batch.float() / 255, MODES[pixels.interpolation]
    size = (pixels.size_px, pixels.size_px)
    resized = F.interpolate(values, size=size, mode=mode, antialias=mode in ("bilinear", "bicubic"))
    low, high = values.aminmax()  # bicubic overshoots at edges; erasing's noise leaves [0, 1] by itself
    return resized.clamp(low.clamp(max=0), high.clamp(min=1))
