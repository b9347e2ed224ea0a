"""What happens to a decoded image before the model sees it, everywhere but in training's random crops.

Cropping gives uint8, on the CPU and with Pillow, so that no float image crosses a process border; the
device normalises. Both halves give the very numbers of the image processor that is saved with the model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from finetune.errors import CheckpointError, DataError
from finetune.pixels.constants import on_device

if TYPE_CHECKING:
    import torch

Resize = Literal["shortest_edge", "squash"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]

FILTERS: dict[str, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_MOST_PIXELS = 89_478_485  # as of files: a line of 1×50,000 px would be 256×12,800,000


@dataclass(frozen=True)
class PixelPipeline:
    """Resize, centre crop, scale to [0, 1], normalise.

    Args:
        resize: ``shortest_edge`` keeps the image's shape, ``squash`` makes it square.
        resize_px: What the shorter side, or both sides, become.
        crop_px: Side of the centre crop; None takes the image as resized (squash only).
        interpolation: Pillow's resampling filter.
        mean: Channel means of pixels in [0, 1], red first.
        std: Channel standard deviations of pixels in [0, 1].
    Raises:
        CheckpointError: the crop is larger than the resized image, or a kept shape is not cropped.

    >>> imagenet = PixelPipeline("shortest_edge", 256, 224, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    >>> imagenet.size_px, imagenet.to_uint8(Image.new("RGB", (300, 500))).shape
    (224, (3, 224, 224))
    """

    resize: Resize
    resize_px: int
    crop_px: int | None
    interpolation: Interpolation
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        if self.crop_px is None and self.resize != "squash":
            raise CheckpointError(
                "preprocessing keeps the image's shape but does not crop, so images would differ in size; "
                "set crop_px, or resize: squash"
            )
        if self.crop_px is not None and self.crop_px > self.resize_px:
            raise CheckpointError(
                f"preprocessing crops {self.crop_px} px out of images resized to {self.resize_px} px; "
                "crop_px must be at most resize_px"
            )

    @classmethod
    def from_processor(cls, processor: Any) -> PixelPipeline:
        """What a transformers image processor does; see ``processor.pipeline_of``."""
        from finetune.pixels.processor import pipeline_of

        return pipeline_of(processor)

    def to_processor(self, model_type: str) -> Any:
        """The image processor to save with a model; see ``processor.processor_of``."""
        from finetune.pixels.processor import processor_of

        return processor_of(self, model_type)

    @property
    def size_px(self) -> int:
        """Side in pixels of what comes out."""
        return self.resize_px if self.crop_px is None else self.crop_px

    def to_uint8(self, image: Image.Image) -> np.ndarray:
        """Resize and crop.

        Args:
            image: Decoded, mode RGB.
        Returns:
            (3, size_px, size_px) uint8, contiguous.
        Raises:
            DataError: it is so long and narrow that it would not fit into memory when it is resized.
        """
        width, height = self._resized(*image.size)
        if width * height > _MOST_PIXELS:
            raise DataError(
                f"an image of {image.width}×{image.height} pixels would be {width}×{height} when its shorter side is "
                f"{self.resize_px}; cut it, or leave it out"
            )
        resized = image.resize((width, height), FILTERS[self.interpolation])
        left, top = (resized.width - self.size_px) // 2, (resized.height - self.size_px) // 2
        return channels_first(resized.crop((left, top, left + self.size_px, top + self.size_px)))

    def normalise(self, batch: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Scale and normalise on the batch's own device.

        Args:
            batch: (N, 3, H, W) uint8, or floating point in [0, 1].
            dtype: What comes out, float32 by default; the arithmetic is float32.
        Returns:
            (N, 3, H, W), for uint8 bit-equal to the image processor's in float32.
        """
        import torch

        # Divisors are tensors: CUDA multiplies by a rounded reciprocal when the divisor is a Python number.
        def channels(values: tuple[float, ...]) -> torch.Tensor:
            return on_device(values, batch.device).view(1, -1, 1, 1)

        pixels = batch.float() if batch.is_floating_point() else batch.to(torch.float32).div_(channels((255.0,)))
        return pixels.sub(channels(self.mean)).div_(channels(self.std)).to(dtype or torch.float32)

    def resized_for(self, size_px: int) -> PixelPipeline:
        """The same pipeline for another input size, with the same share of the image cropped away.

        >>> PixelPipeline("squash", 256, 224, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).resized_for(384).resize_px
        438
        """
        if size_px == self.size_px:
            return self
        crop_px = None if self.crop_px is None else size_px
        return replace(self, resize_px=self.resize_px * size_px // self.size_px, crop_px=crop_px)

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        if self.resize == "squash":
            return self.resize_px, self.resize_px
        # Rounded down, and in this order of operations, as the saved processor does.
        if width <= height:
            return self.resize_px, int(self.resize_px * height / width)
        return int(self.resize_px * width / height), self.resize_px


def channels_first(image: Image.Image) -> np.ndarray:
    """(3, H, W) uint8, contiguous, of an RGB image."""
    if image.mode != "RGB":
        raise ValueError(f"an image of mode {image.mode} was not decoded; expected RGB")
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
