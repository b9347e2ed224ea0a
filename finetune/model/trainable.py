"""Which parameters learn, and which are spared from weight decay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from torch import nn

from finetune.model.head import head_names

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SPARED = ("cls_token", "distillation_token", "mask_token", "register_tokens")
POSITIONS = ("position_embedding", "relative_position_bias", "pos_embed")


def no_decay_parameter_names(model: nn.Module) -> set[str]:
    """Names of biases, norms, class and distillation tokens and position embeddings.

    Biases, the scales of norms and layer scales are what has a single dimension.

    Source: DeiT's published training code spares the same, by timm's ``no_weight_decay``.
    """
    return {name for name, parameter in model.named_parameters() if parameter.ndim <= 1 or _is_spared(name)}


def set_trainable(model: PreTrainedModel, train: Literal["all", "head"]) -> None:
    """Let everything learn, or the head alone (both heads of a distilled model)."""
    head = head_names(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(train == "all" or name in head)


def _is_spared(name: str) -> bool:
    parts = name.split(".")
    return parts[-1] == "bias" or any(part in SPARED or part.startswith(POSITIONS) for part in parts)
