"""Curves for the tools that people watch runs with; what they need is checked before training begins."""

from __future__ import annotations

import importlib.util
from typing import Any

from finetune.errors import RecipeError
from finetune.recipe import Recipe
from finetune.run_folder import RunFolder


def check_trackers(recipe: Recipe) -> None:
    """Refuse a tracker whose package is missing.

    Raises:
        RecipeError: names the package and how to install it.
    """
    missing = [name for name in recipe.run.tracking if importlib.util.find_spec(name) is None]
    if missing:
        raise RecipeError(
            f"run.tracking: {name} is not installed; pip install 'deit-finetune[{name}]', or leave it out"
            for name in missing
        )


def trackers(recipe: Recipe, folder: RunFolder) -> list[Any]:
    """Trainer callbacks for ``run.tracking``."""
    from transformers.integrations import integration_utils

    integrations: Any = integration_utils
    makers = {
        "tensorboard": lambda: integrations.TensorBoardCallback(_writer(folder)),
        "mlflow": integrations.MLflowCallback,
        "wandb": integrations.WandbCallback,
    }
    return [makers[name]() for name in dict.fromkeys(recipe.run.tracking)]


def _writer(folder: RunFolder) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(log_dir=str(folder.tensorboard))
