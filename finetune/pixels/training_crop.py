"""The varied crops of training images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from finetune.pixels.pipeline import FILTERS, PixelPipeline, channels_first

if TYPE_CHECKING:
    from finetune.recipe.augmentation import Augmentation

TRIES = 10
# Large crops are first averaged to at least this many times the target: a third of the time for 64 px out of a
# 499 x 666 photograph, and 0.6 of 255 levels from the exact filter. Evaluation uses the exact filter.
REDUCING_GAP = 2.0


class TrainingCrop:
    """Random resized crop and flips, straight from the decoded image to the model's size.

    The same image and generator state give the same pixels, and a call always draws the same count of
    numbers, so what one image gets never depends on another.

    Source: crop area and shape as in "Going Deeper with Convolutions" (Szegedy et al., 2014), with the
        ten tries and the central fallback that every common implementation has. The filter is that of the
        checkpoint's preprocessing, so that training and evaluation see images alike; DeiT's code always takes bicubic.
    """

    def __init__(self, augmentation: Augmentation, pixels: PixelPipeline) -> None:
        self.augmentation = augmentation
        self.pixels = pixels

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> np.ndarray:
        """Crop, resize and flip.

        Args:
            image: Decoded, mode RGB.
            rng: Of this image in this epoch alone.
        Returns:
            (3, size_px, size_px) uint8, contiguous.
        """
        draws = rng.random((TRIES, 4))
        flips = rng.random(2)
        cropped = self._crop(image, draws)
        if flips[0] < self.augmentation.horizontal_flip:
            cropped = cropped[:, :, ::-1]
        if flips[1] < self.augmentation.vertical_flip:
            cropped = cropped[:, ::-1]
        return np.ascontiguousarray(cropped)

    def _crop(self, image: Image.Image, draws: np.ndarray) -> np.ndarray:
        if self.augmentation.crop_scale is None:
            return self.pixels.to_uint8(image)
        box = crop_box(image.width, image.height, self.augmentation.crop_scale, self.augmentation.crop_ratio, draws)
        size = (self.pixels.size_px, self.pixels.size_px)
        kernel = FILTERS[self.pixels.interpolation]
        gap = None if kernel == Image.Resampling.NEAREST else REDUCING_GAP
        return channels_first(image.resize(size, kernel, box=box, reducing_gap=gap))


def crop_box(
    width: int, height: int, scale: tuple[float, float], ratio: tuple[float, float], draws: np.ndarray
) -> tuple[int, int, int, int]:
    """The first of the drawn crops that fits into the image, else the largest central one of an allowed shape.

    Args:
        width, height: Of the image, in pixels.
        scale: Smallest and largest area, as shares of the image's.
        ratio: Smallest and largest width over height; drawn evenly on a logarithmic scale.
        draws: (tries, 4) numbers in [0, 1): area, shape, horizontal and vertical place.
    Returns:
        left, top, right, bottom in pixels, at least 1 px wide and high, inside the image.

    >>> crop_box(100, 100, (0.25, 0.25), (1.0, 1.0), np.zeros((1, 4)))
    (0, 0, 50, 50)
    """
    log_low, log_high = math.log(ratio[0]), math.log(ratio[1])
    for area, shape, across, down in draws.tolist():
        pixels = width * height * (scale[0] + area * (scale[1] - scale[0]))
        aspect = math.exp(log_low + shape * (log_high - log_low))
        w, h = round(math.sqrt(pixels * aspect)), round(math.sqrt(pixels / aspect))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(across * (width - w + 1)), int(down * (height - h + 1))
            return left, top, left + w, top + h
    return _central_box(width, height, ratio)


def _central_box(width: int, height: int, ratio: tuple[float, float]) -> tuple[int, int, int, int]:
    w, h = width, height
    if width < ratio[0] * height:
        h = max(1, round(width / ratio[0]))
    elif width > ratio[1] * height:
        w = max(1, round(height * ratio[1]))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h
