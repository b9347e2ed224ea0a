"""Low-rank adapters beside frozen layers (Hu et al., 2021), through peft; merged, they are an ordinary model again."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from finetune.errors import CheckpointError, RecipeError, did_you_mean
from finetune.model.head import find_heads
from finetune.model.idle import idle_parameter_names

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from finetune.recipe.sections import Lora, Model

KEY = "model.lora.targets"
ALL = "all-linear"


def check_peft(choice: Model) -> None:
    """Refuse ``model.train: lora`` where peft is missing.

    Raises:
        RecipeError: says how to install it.
    """
    if choice.train == "lora" and importlib.util.find_spec("peft") is None:
        what = "found lora, which needs peft, and that is not installed"
        raise RecipeError([f"model.train: {what}; pip install 'deit-finetune[lora]', or choose another"])


def add_adapters(model: PreTrainedModel, choice: Lora, seed: int) -> PeftModel:
    """Freeze a model, give its linear layers adapters, and let these and the heads learn.

    Args:
        model: Changed in place until `merge_adapters`.
        seed: Of the adapters' first factor; the second begins at 0, so that nothing changes at first.
    Raises:
        CheckpointError: a target is none of the model's linear layers.
    """
    from peft import LoraConfig, get_peft_model

    heads = sorted(find_heads(model))
    config = LoraConfig(
        r=choice.rank,
        lora_alpha=choice.alpha,  # type: ignore[arg-type]
        lora_dropout=choice.dropout,
        target_modules=_layers(model, choice.targets, heads),
        modules_to_save=heads,
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)  # peft asks by an old name
        torch.manual_seed(seed)
        return get_peft_model(model, config)


def has_adapters(model: nn.Module) -> bool:
    """Whether a model is one that `add_adapters` made."""
    return hasattr(model, "peft_config") and hasattr(model, "merge_and_unload")


def describe_adapters(model: nn.Module) -> dict[str, Any]:
    """For the run's record: rank, scale and the layers that got adapters; nothing for a model without."""
    if not has_adapters(model):
        return {}
    config: Any = cast(Any, model).peft_config["default"]
    layers = sorted(config.target_modules)
    return {"lora": {"rank": config.r, "alpha": config.lora_alpha, "dropout": config.lora_dropout, "layers": layers}}


def adapted_head_names(model: nn.Module) -> set[str]:
    """Names of the head's parameters that learn, in a model with adapters."""
    return {name for name, _ in model.named_parameters() if ".modules_to_save." in name}


def load_adapters(model: PeftModel, checkpoint: Path) -> None:
    """Load adapters and heads of a checkpoint, all of them, into a model of the same shape.

    Raises:
        CheckpointError: the checkpoint lacks one, or has one too many.
    """
    from peft import get_peft_model_state_dict, load_peft_weights, set_peft_model_state_dict

    found = load_peft_weights(str(checkpoint), device="cpu")
    differing = set(found) ^ set(get_peft_model_state_dict(model))
    if differing:
        raise CheckpointError(f"checkpoint {checkpoint}: {sorted(differing)[0]} is not in both it and the model")
    set_peft_model_state_dict(model, found)


def merge_adapters(model: PeftModel) -> PreTrainedModel:
    """The model that was given adapters, with their products added to its layers."""
    merged: PreTrainedModel = model.merge_and_unload()
    merged.eval()  # type: ignore[no-untyped-call]
    return merged


def _layers(model: PreTrainedModel, targets: list[str], heads: list[str]) -> list[str]:
    """Full names of the linear layers that the targets mean."""
    idle = idle_parameter_names(model)
    linear = [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and name not in heads and f"{name}.weight" not in idle
    ]
    if not linear:
        raise CheckpointError(
            f"model.train: lora: {type(model).__name__} has no linear layer besides its head, so there is nothing to "
            "adapt; use model.train: head or all"
        )
    if targets == [ALL]:
        return linear
    if ALL in targets:
        raise CheckpointError(f"{KEY}: found {targets}, but {ALL} means every linear layer; write [{ALL}] alone")
    for target in targets:
        if not any(_ends(name, target) for name in linear):
            last = sorted({name.rpartition(".")[2] for name in linear})
            raise CheckpointError(
                f"{KEY}: {target!r} is none of the linear layers of {type(model).__name__}, which end in "
                f"{', '.join(last)}{did_you_mean(target, last)}"
            )
    return [name for name in linear if any(_ends(name, target) for target in targets)]


def _ends(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")
