"""Which parameters learn, and which are spared from weight decay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from torch import nn

from finetune.model.head import head_names

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TOKENS = ("cls_token", "distillation_token", "mask_token", "position_embeddings")


def no_decay_parameter_names(model: nn.Module) -> set[str]:
    """Names of biases, norms, class and distillation tokens and position embeddings.

    Biases and norms are what has a single dimension; DeiT and ViT were trained with the same ones spared.
    """
    return {
        name
        for name, parameter in model.named_parameters()
        if parameter.ndim <= 1 or name.endswith(".bias") or name.rpartition(".")[2] in TOKENS
    }


def set_trainable(model: PreTrainedModel, train: Literal["all", "head"]) -> None:
    """Let everything learn, or the head alone."""
    head = head_names(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(train == "all" or name in head)
