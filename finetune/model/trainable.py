"""Which parameters learn, and which are spared from weight decay."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, cast

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from finetune.errors import CheckpointError
from finetune.model.blocks import ordered_parts
from finetune.model.drop_path import drop_branches
from finetune.model.head import head_names
from finetune.model.idle import idle_parameter_names
from finetune.model.lora import add_adapters, has_adapters, merge_adapters
from finetune.model.saved import LoadedModel

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from finetune.recipe.sections import Model, Recipe

SPARED = ("cls_token", "distillation_token", "mask_token", "register_tokens")
POSITIONS = ("position_embedding", "relative_position_bias", "pos_embed")


def hold_statistics(model: nn.Module) -> None:
    """Keep batch norms that do not learn as they are, running statistics too: in training mode they would drift.

    Called before every step, because the Trainer puts the whole model in training mode.
    """
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.affine and not module.weight.requires_grad:
            module.eval()


def running_statistics(model: nn.Module) -> dict[str, torch.Tensor]:
    """What batch norms keep of the images that went by; each process has seen others."""
    return {name: buffer for name, buffer in model.named_buffers() if buffer.is_floating_point()}


def no_decay_parameter_names(model: nn.Module) -> set[str]:
    """Names of biases, norms, class and distillation tokens and position embeddings.

    Biases, the scales of norms and layer scales are what has a single dimension.

    Source: DeiT's published training code spares the same, by timm's ``no_weight_decay``.
    """
    return {name for name, parameter in model.named_parameters() if parameter.ndim <= 1 or _is_spared(name)}


def ready_to_learn(loaded: LoadedModel, recipe: Recipe) -> LoadedModel:
    """The model as it learns: what is frozen, stochastic depth, adapters.

    Raises:
        CheckpointError: its architecture lacks what the recipe asks for.
    """
    choice = recipe.model
    drop_branches(loaded.model, choice.drop_path)
    if choice.train != "lora":
        set_trainable(loaded.model, choice)
        return loaded
    adapted = add_adapters(loaded.model, choice.lora, recipe.run.seed)
    return dataclasses.replace(loaded, model=cast("PreTrainedModel", adapted))


def learned(loaded: LoadedModel) -> LoadedModel:
    """The model that is saved: adapters become part of its weights."""
    if not has_adapters(loaded.model):
        return loaded
    return dataclasses.replace(loaded, model=merge_adapters(cast("PeftModel", loaded.model)))


def set_trainable(model: PreTrainedModel, choice: Model) -> None:
    """Let everything learn, the head alone (both heads of a distilled model), or the last blocks and what follows them.

    What no logit depends on, such as DINOv2's mask token, never learns: several processes that share a batch
    would wait for its gradient.

    Raises:
        CheckpointError: there are fewer blocks than shall learn, or none.
    """
    learns, idle = _learning_names(model, choice), idle_parameter_names(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in learns and name not in idle)


def _learning_names(model: PreTrainedModel, choice: Model) -> set[str]:
    if choice.train in ("head", "probe"):
        return head_names(model)
    if choice.train == "last_n_blocks":
        return _last_blocks(model, choice.train_blocks)
    return {name for name, _ in model.named_parameters()}


def _last_blocks(model: PreTrainedModel, count: int) -> set[str]:
    parts = ordered_parts(model, "model.train: last_n_blocks")
    if count > len(parts.blocks):
        raise CheckpointError(
            f"model.train_blocks: found {count}, but {type(model).__name__} has {len(parts.blocks)} blocks; expected "
            "at most that many, or model.train: all"
        )
    return {name for name, depth in parts.depths.items() if depth > len(parts.blocks) - count}


def _is_spared(name: str) -> bool:
    parts = name.split(".")
    return parts[-1] == "bias" or any(part in SPARED or part.startswith(POSITIONS) for part in parts)
