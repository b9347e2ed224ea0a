"""Between the pixel pipeline and the image processor that transformers saves beside a model."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from finetune.errors import CheckpointError
from finetune.pixels.pipeline import FILTERS, PixelPipeline, Resize

INSTEAD = "; spell out model.preprocessing: {resize, resize_px, crop_px, interpolation, mean, std} instead"
# One wider, one higher than square, one smaller than any model's input.
PROBES = ((67, 41), (38, 90), (9, 5))
TOLERANCE = 1e-6


def pipeline_of(processor: Any) -> PixelPipeline:
    """What an image processor does, as a pixel pipeline; tried on random images before it is believed.

    Raises:
        CheckpointError: the processor does something else than resize, crop, scale by 1/255 and normalise.
    """
    kind = type(processor).__name__.removesuffix("Pil")
    if not processor.do_resize:
        raise CheckpointError(f"the checkpoint's {kind} does not resize, so images would differ in size{INSTEAD}")
    if not processor.do_rescale or abs(processor.rescale_factor * 255 - 1) > 1e-9:
        raise CheckpointError(f"the checkpoint's {kind} does not scale pixels by 1/255{INSTEAD}")
    resize, resize_px, crop_px = _geometry(processor, kind)
    normalises = processor.do_normalize
    pixels = PixelPipeline(
        resize=resize,
        resize_px=resize_px,
        crop_px=crop_px,
        interpolation=_interpolation(processor.resample, kind),  # type: ignore[arg-type]
        mean=_three(processor.image_mean) if normalises else (0.0, 0.0, 0.0),
        std=_three(processor.image_std) if normalises else (1.0, 1.0, 1.0),
    )
    difference = largest_difference(pixels, processor)
    if difference > TOLERANCE:
        raise CheckpointError(
            f"the checkpoint's {kind} does more than resize, crop, scale and normalise: its pixels differ by up to "
            f"{difference:.3g} from what its settings say{INSTEAD}"
        )
    return pixels


def processor_of(pixels: PixelPipeline, model_type: str) -> Any:
    """The image processor that gives this pipeline's pixels, to be saved with a model.

    Args:
        model_type: Of the model's config; DeiT has a class of its own, all others take ViT's.
    """
    from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    side = pixels.resize_px
    crop = pixels.crop_px
    kind = DeiTImageProcessorPil if model_type == "deit" else ViTImageProcessorPil
    return kind(
        do_convert_rgb=True,
        do_resize=True,
        size={"shortest_edge": side} if pixels.resize == "shortest_edge" else {"height": side, "width": side},
        resample=int(FILTERS[pixels.interpolation]),
        do_center_crop=crop is not None,
        crop_size={"height": crop or side, "width": crop or side},
        do_rescale=True,
        rescale_factor=1 / 255,
        do_normalize=True,
        image_mean=list(pixels.mean),
        image_std=list(pixels.std),
    )


def largest_difference(pixels: PixelPipeline, processor: Any) -> float:
    """The largest absolute difference between both over a few random images, after normalising."""
    import torch

    random = np.random.default_rng(0)
    largest = 0.0
    for width, height in PROBES:
        image = Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
        ours = pixels.normalise(torch.from_numpy(pixels.to_uint8(image)[None]))
        theirs = processor(images=image, return_tensors="pt")["pixel_values"]
        if ours.shape != theirs.shape:
            return float("inf")
        largest = max(largest, float((ours - theirs).abs().max()))
    return largest


def _geometry(processor: Any, kind: str) -> tuple[Resize, int, int | None]:
    size = {name: value for name, value in dict(processor.size).items() if value}
    crop = {name: value for name, value in dict(processor.crop_size or {}).items() if value}
    crop_px = None
    if processor.do_center_crop:
        crop_px = _square(crop, f"{kind} crops to {crop}")
    if set(size) == {"shortest_edge"}:
        side = int(size["shortest_edge"])
        if hasattr(processor, "crop_pct"):  # ConvNeXt's own rule: a crop of this share below 384 px, none from there
            return ("shortest_edge", int(side / processor.crop_pct), side) if side < 384 else ("squash", side, None)
        return "shortest_edge", side, crop_px
    return "squash", _square(size, f"{kind} resizes to {size}"), crop_px


def _square(size: dict[str, int], what: str) -> int:
    if set(size) != {"height", "width"} or size["height"] != size["width"]:
        raise CheckpointError(f"the checkpoint's {what}; a square is expected{INSTEAD}")
    return int(size["height"])


def _interpolation(resample: Any, kind: str) -> str:
    for name, number in FILTERS.items():
        if number == resample:
            return name
    raise CheckpointError(
        f"the checkpoint's {kind} resamples with filter {resample}, not one of {list(FILTERS)}{INSTEAD}"
    )


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = values if isinstance(values, (list, tuple)) else (values,) * 3
    return float(red), float(green), float(blue)
