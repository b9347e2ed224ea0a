"""Groups of parameters that learn at different rates."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, cast

from torch import nn
from transformers import PreTrainedModel

from finetune.model import head_names, no_decay_parameter_names
from finetune.model.blocks import ordered_parts
from finetune.model.lora import adapted_head_names, has_adapters


def rate_factors(model: nn.Module, layer_decay: float, head_multiplier: float) -> dict[str, float]:
    """What the learning rate of each parameter that learns is multiplied by; empty where that is 1 for all.

    The head and what else follows the blocks learn at the full rate, the last block at ``layer_decay``, the one below
    it at its square, and what comes before the n blocks at its power of n + 1.

    Source: ELECTRA's layer-wise decay, counted as in BEiT's and MAE's published code.

    Raises:
        CheckpointError: there is a layer decay, and no row of blocks.
    """
    if layer_decay == head_multiplier == 1.0:
        return {}
    learns = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    heads = learning_heads(model)
    factors = dict.fromkeys(learns, 1.0)
    if layer_decay != 1.0:
        parts = ordered_parts(cast(PreTrainedModel, model), "optim.layer_decay")
        factors = {name: layer_decay ** (parts.top - parts.depths[name]) for name in learns}
    return {name: factor * (head_multiplier if name in heads else 1.0) for name, factor in factors.items()}


def learning_heads(model: nn.Module) -> Collection[str]:
    """Names of the parameters of the head, whatever the model is wrapped in."""
    return adapted_head_names(model) if has_adapters(model) else head_names(cast(PreTrainedModel, model))


def parameter_groups(
    model: nn.Module,
    factors: dict[str, float],
    learning_rate: float,
    weight_decay: float,
    matrices: Collection[str] = (),
) -> list[dict[str, Any]]:
    """What an optimiser takes: for each factor the decayed and the spared parameters.

    Args:
        factors: By name of the parameters that learn.
        matrices: Names of those that Muon orthogonalises; they come in groups of their own.
    Returns:
        The groups whose factor is nearest 1 first: the Trainer logs the first group's rate.
    """
    spared, parameters = no_decay_parameter_names(model), dict(model.named_parameters())
    groups = []
    for factor in sorted(set(factors.values()), key=lambda factor: (abs(math.log(factor)), factor)):
        names = [name for name, own in factors.items() if own == factor]
        for decays, orthogonal in ((True, True), (True, False), (False, False)):
            kind = decays, orthogonal
            held = [parameters[name] for name in names if (name not in spared, name in matrices) == kind]
            rates = {"lr": learning_rate * factor, "weight_decay": weight_decay if decays else 0.0}
            groups.append({"params": held, **rates, **({"orthogonal": True} if orthogonal else {})})
    return [group for group in groups if group["params"]]
