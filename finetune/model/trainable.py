"""Which parameters learn, and which are spared from weight decay."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn

from finetune.model.head import head_names

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from finetune.recipe.sections import Model

SPARED = ("cls_token", "distillation_token", "mask_token", "register_tokens")
POSITIONS = ("position_embedding", "relative_position_bias", "pos_embed")


def no_decay_parameter_names(model: nn.Module) -> set[str]:
    """Names of biases, norms, class and distillation tokens and position embeddings.

    Biases, the scales of norms and layer scales are what has a single dimension.

    Source: DeiT's published training code spares the same, by timm's ``no_weight_decay``.
    """
    return {name for name, parameter in model.named_parameters() if parameter.ndim <= 1 or _is_spared(name)}


def set_trainable(model: PreTrainedModel, choice: Model) -> None:
    """Let everything learn, or the head alone (both heads of a distilled model).

    What no logit depends on, such as DINOv2's mask token, never learns: several processes that share a batch
    would wait for its gradient.
    """
    head, idle = head_names(model), idle_parameter_names(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in idle and (choice.train == "all" or name in head))


def idle_parameter_names(model: PreTrainedModel) -> set[str]:
    """Names of parameters that no logit depends on; none where the architecture cannot be asked without its weights."""
    vision = getattr(model.config, "vision_config", model.config)
    size = getattr(vision, "image_size", None) or 224
    height, width = (size, size) if isinstance(size, int) else size
    try:
        with torch.device("meta"), torch.enable_grad():  # shapes and the graph only
            other = type(model)(copy.deepcopy(model.config))
            other.eval()  # type: ignore[no-untyped-call]
            other(pixel_values=torch.empty(1, 3, height, width)).logits.sum().backward()
    except (RuntimeError, ValueError, NotImplementedError):
        return set()
    return {name for name, parameter in other.named_parameters() if parameter.grad is None}


def _is_spared(name: str) -> bool:
    parts = name.split(".")
    return parts[-1] == "bias" or any(part in SPARED or part.startswith(POSITIONS) for part in parts)
