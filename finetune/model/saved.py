"""A run's model folder: written, and opened again without changing a bit."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from finetune.errors import CheckpointError
from finetune.labels import LabelSpace
from finetune.model.head import class_names
from finetune.model.loading import load_strictly, quiet_transformers, read_preprocessing
from finetune.pixels import PixelPipeline

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

Attention = Literal["eager", "sdpa"]


@dataclass(frozen=True)
class LoadedModel:
    """A model and all that is needed to use it.

    Args:
        model: float32, evaluation mode.
        pixels: The evaluation pipeline that belongs to it.
        source: Where it comes from, for the run's record; plain values only.
    """

    model: PreTrainedModel
    pixels: PixelPipeline
    source: dict[str, Any] = field(default_factory=dict)

    @property
    def labels(self) -> LabelSpace:
        """The model's classes, in the order of its outputs."""
        return LabelSpace(tuple(class_names(self.model)))


def save_model(
    model: PreTrainedModel, pixels: PixelPipeline, folder: Path, weights: dict[str, torch.Tensor] | None = None
) -> None:
    """Write config, weights (safetensors) and image processor; ``transformers.pipeline`` loads the folder as it is.

    Args:
        model: What to save.
        pixels: The evaluation pipeline that belongs to it.
        folder: Where to.
        weights: All weights, for a model that holds but a share of them.
    """
    with quiet_transformers():
        model.save_pretrained(folder, state_dict=weights)
        pixels.to_processor(model.config.model_type).save_pretrained(folder)


def open_saved(folder: Path, attention: Attention = "sdpa") -> LoadedModel:
    """Open what ``save_model`` wrote.

    Raises:
        CheckpointError: a file is missing or damaged, or the weights do not fit the config.
    """
    model, not_filled = load_strictly(folder)
    if not_filled:
        raise CheckpointError(
            f"model {folder}: {sorted(not_filled)[0]} is missing or of another shape than its config.json says; "
            "the folder is incomplete, save it again"
        )
    set_attention(model, attention)
    return LoadedModel(model, read_preprocessing(folder), {"path": str(folder.resolve())})


def set_attention(model: PreTrainedModel, attention: Attention) -> None:
    """Choose how attention is computed. Where an architecture has no such choice, its own way stays."""
    if attention == "eager" or model._supports_sdpa:
        model.set_attn_implementation(attention)
