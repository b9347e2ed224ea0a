"""A recipe's checkpoint, made ready for its classes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from finetune.errors import CheckpointError
from finetune.labels import LabelSpace
from finetune.model.head import HeadMode, head_names, name_task, replace_head
from finetune.model.input_size import bound_to_size, config_size_px, image_size_px, resampled, with_image_size
from finetune.model.loading import draw_anew, load_strictly, read_config, without_weights
from finetune.model.preprocessing import choose_preprocessing
from finetune.model.saved import LoadedModel, set_attention
from finetune.model.sources import Source, locate

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from finetune.model.task import Task
    from finetune.pixels import PixelPipeline
    from finetune.recipe.sections import Recipe


def load_with_new_head(recipe: Recipe, labels: LabelSpace, task: Task) -> LoadedModel:
    """Load the recipe's checkpoint, or draw its architecture anew, and give it a head for these classes.

    The new rows depend on ``run.seed`` alone, and torch's global random state is left as it was.

    Raises:
        CheckpointError: the checkpoint cannot be found, read, or made to fit.
        UnreachableError: it would have to be downloaded and cannot.
    """
    source = locate(recipe.model.checkpoint, recipe.model.revision)
    with torch.random.fork_rng(devices=[]):
        model, not_filled = _load_or_draw(recipe, source.folder)
        checkpoint_px = image_size_px(model)
        pixels, note = choose_preprocessing(recipe.model, source, recipe.model.image_size_px or checkpoint_px)
        _check_size(model, pixels, asked_px=recipe.model.image_size_px)
        model = with_image_size(model, pixels.size_px)
        if recipe.model.weights == "random":  # at the size that is asked for: resampled noise would be smoother
            model = draw_anew(source.folder, recipe.run.seed, image_size_px(model))
        _check_head_is_there(recipe.model.head, not_filled, source)
        kept = replace_head(model, labels, mode=recipe.model.head, seed=recipe.run.seed)
    name_task(model, task.problem_type)
    if recipe.model.attention != "auto":
        set_attention(model, recipe.model.attention)
    record = {
        **source.record(),
        **({"weights_sha256": None} if recipe.model.weights == "random" else {}),
        "weights": recipe.model.weights,
        **_describe(model, checkpoint_px),
        "head": _describe_head(model, recipe.model.head, labels, kept),
        "preprocessing": dataclasses.asdict(pixels),
        "preprocessing_note": note,
    }
    model.eval()  # type: ignore[no-untyped-call]
    return LoadedModel(model, pixels, record)


def load_preprocessing(recipe: Recipe) -> PixelPipeline:
    """The preprocessing of ``load_with_new_head``, without loading or downloading weights.

    Raises:
        CheckpointError: the checkpoint cannot be found, its preprocessing not be read, or its size not be had.
        UnreachableError: it would have to be downloaded and cannot.
    """
    asked_px = recipe.model.image_size_px
    source = locate(recipe.model.checkpoint, recipe.model.revision, weights=False)
    config = read_config(source.folder)
    checkpoint_px = config_size_px(config)
    pixels, _ = choose_preprocessing(recipe.model, source, asked_px or checkpoint_px)
    if checkpoint_px not in (None, pixels.size_px):
        model = without_weights(config)
        _check_size(model, pixels, asked_px)
        resampled(model, pixels.size_px)  # refuses what could not be
    return pixels


def _load_or_draw(recipe: Recipe, folder: Path) -> tuple[PreTrainedModel, set[str]]:
    if recipe.model.weights == "random":
        return draw_anew(folder, recipe.run.seed), set()
    return load_strictly(folder)


def _check_size(model: PreTrainedModel, pixels: PixelPipeline, asked_px: int | None) -> None:
    size = image_size_px(model)
    if asked_px is None and size is not None and bound_to_size(model, pixels.size_px):
        raise CheckpointError(
            f"the preprocessing gives images of {pixels.size_px} px, but the checkpoint takes {size} px; set "
            f"model.image_size_px: {pixels.size_px} to resample its position embeddings, or change model.preprocessing"
        )


def _check_head_is_there(mode: HeadMode, not_filled: set[str], source: Source) -> None:
    if mode != "new" and not_filled:
        raise CheckpointError(
            f"model.head: {mode} needs the checkpoint's head, but {source.checkpoint} has no {sorted(not_filled)[0]} "
            "that fits its config.json; use model.head: new"
        )


def _describe(model: PreTrainedModel, checkpoint_px: int | None) -> dict[str, Any]:
    return {
        "architecture": type(model).__name__,
        "model_type": model.config.model_type,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "image_size_px": image_size_px(model),
        "checkpoint_image_size_px": checkpoint_px,
    }


def _describe_head(model: PreTrainedModel, mode: HeadMode, labels: LabelSpace, kept: list[str]) -> dict[str, Any]:
    return {
        "mode": mode,
        "parameters": sorted(head_names(model)),
        "kept": kept,
        "new": [name for name in labels.names if name not in set(kept)],
    }
