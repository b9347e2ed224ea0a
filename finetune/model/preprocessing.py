"""Which preprocessing a checkpoint gets. It belongs to the checkpoint, with one known fault mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finetune.errors import CheckpointError
from finetune.model.loading import read_preprocessing
from finetune.pixels import PixelPipeline

if TYPE_CHECKING:
    from finetune.model.sources import Source
    from finetune.recipe.sections import Model, Preprocessing

HALF = (0.5, 0.5, 0.5)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# "rescaled to the same resolution 256x256, center-cropped at 224x224", mean and std 0.5: the model card.
CARD = PixelPipeline("squash", 256, 224, "bicubic", HALF, HALF)
# How DeiT was evaluated: Touvron et al. 2021, https://arxiv.org/abs/2012.12877, and its published code.
DEIT = PixelPipeline("shortest_edge", 256, 224, "bicubic", IMAGENET_MEAN, IMAGENET_STD)

MENDED = ("facebook/deit-tiny-patch16-224", "facebook/deit-small-patch16-224", "facebook/deit-base-patch16-224")
# The same fault at 384 px. Said, not mended: only what is listed above is corrected.
SUSPECT = ("facebook/deit-base-patch16-384",)


def choose_preprocessing(model: Model, source: Source, image_size_px: int | None) -> tuple[PixelPipeline, str | None]:
    """The pixel pipeline for a recipe's model.

    Args:
        model: The recipe's section.
        source: Where the checkpoint was found.
        image_size_px: Side of the model's input, None where any will do. What is not spelled out follows
            ``model.image_size_px``, with the same share of the image cropped away.
    Returns:
        The pipeline, and a sentence for the user where it is not simply the checkpoint's own.
    Raises:
        CheckpointError: there is no usable preprocessor file, or what is spelled out contradicts image_size_px.
    """
    choice = model.preprocessing
    if not isinstance(choice, str):
        return _spelled_out(choice, model.image_size_px), None
    if choice == "card":
        pixels = CARD.resized_for(image_size_px or CARD.size_px)
        return pixels, f"the model card's preprocessing is used: {describe(pixels)}"
    pixels, note = read_preprocessing(source.folder), None
    if choice == "auto" and source.kind == "hub":
        pixels, note = _mend(source.checkpoint, pixels)
    return pixels.resized_for(model.image_size_px or pixels.size_px), note


def describe(pixels: PixelPipeline) -> str:
    """One line for people.

    >>> describe(DEIT)
    'shorter side to 256 px (bicubic), centre crop 224 px, mean [0.485, 0.456, 0.406], std [0.229, 0.224, 0.225]'
    """
    how = "shorter side to" if pixels.resize == "shortest_edge" else "squashed to"
    crop = "no crop" if pixels.crop_px is None else f"centre crop {pixels.crop_px} px"
    return (
        f"{how} {pixels.resize_px} px ({pixels.interpolation}), {crop}, "
        f"mean {list(pixels.mean)}, std {list(pixels.std)}"
    )


def _mend(checkpoint: str, pixels: PixelPipeline) -> tuple[PixelPipeline, str | None]:
    faulty = (pixels.resize, pixels.crop_px, pixels.mean, pixels.std) == ("squash", None, HALF, HALF)
    if checkpoint in MENDED and faulty and pixels.size_px == DEIT.size_px:
        return DEIT, (
            f"preprocessing corrected: the file of {checkpoint} says {describe(pixels)}, but its weights were trained "
            f"and evaluated with {describe(DEIT)}; model.preprocessing: checkpoint takes the file as it is"
        )
    if checkpoint in SUSPECT and faulty:
        right = DEIT.resized_for(pixels.size_px)
        return pixels, (
            f"the preprocessing file of {checkpoint} says {describe(pixels)}, and is used, but its weights were "
            f"evaluated with {describe(right)}; spell that out in model.preprocessing to have it"
        )
    return pixels, None


def _spelled_out(spelled: Preprocessing, image_size_px: int | None) -> PixelPipeline:
    pixels = PixelPipeline(
        spelled.resize, spelled.resize_px, spelled.crop_px, spelled.interpolation, spelled.mean, spelled.std
    )
    if image_size_px not in (None, pixels.size_px):
        raise CheckpointError(
            f"model.preprocessing gives images of {pixels.size_px} px, but model.image_size_px is {image_size_px}; "
            "make them agree"
        )
    return pixels
