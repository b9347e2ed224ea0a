"""``optim.preset`` and what a recipe says beside it, as one set of values."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from finetune.errors import RecipeError
from finetune.recipe import Recipe

FEWEST_STEPS, MOST_EPOCHS, FEWEST_EPOCHS = 1000, 100, 10
"""auto: a run takes about FEWEST_STEPS steps, within these numbers of epochs."""


@dataclass(frozen=True)
class Settings:
    """How the weights move: the values of ``recipe.optim`` that a preset may choose.

    Args:
        learning_rate: Peak, of the head's neighbour; blocks below it by ``layer_decay``.
    """

    epochs: float
    batch_size: int
    learning_rate: float
    optimizer: str = "adamw"
    weight_decay: float = 0.0
    warmup_fraction: float = 0.0
    layer_decay: float = 1.0


def choose_settings(recipe: Recipe, images: int) -> Settings:
    """The preset's values, and the recipe's where it has its own.

    Args:
        images: In the training split.
    Raises:
        RecipeError: the batch that was chosen cannot be cut into so many accumulation steps.
    """
    chosen = PRESETS[recipe.optim.preset](recipe, images)
    own = {field.name: getattr(recipe.optim, field.name) for field in fields(Settings)}
    settings = replace(chosen, **{name: value for name, value in own.items() if value is not None})
    if recipe.optim.warmup_steps:
        settings = replace(settings, warmup_fraction=0.0)
    if recipe.optim.accumulation_steps > settings.batch_size:
        why = f"the batch that preset {recipe.optim.preset} chose, {settings.batch_size}, cannot be cut that often"
        raise RecipeError([f"optim.accumulation_steps: found {recipe.optim.accumulation_steps}, but {why}"])
    return settings


def _auto(recipe: Recipe, images: int) -> Settings:
    """By what is trained: the fewer weights that know something, the faster they may move."""
    batch = 16 if images < 2_000 else 64 if images < 100_000 else 256
    epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, math.ceil(FEWEST_STEPS * batch / max(1, images))))
    common: dict[str, Any] = {"epochs": float(epochs), "batch_size": batch, "warmup_fraction": 0.1}
    if recipe.model.weights == "random":
        return Settings(**common, learning_rate=1e-3 * math.sqrt(batch / 64), weight_decay=0.05)
    if recipe.model.train in ("head", "probe"):
        return Settings(**common, learning_rate=1e-3)
    if recipe.model.train == "lora":
        return Settings(**common, learning_rate=5e-4)
    return Settings(**common, learning_rate=5e-5 * math.sqrt(batch / 16), weight_decay=0.05, layer_decay=0.75)


def _plain(recipe: Recipe, images: int) -> Settings:
    return Settings(epochs=15.0, batch_size=16, learning_rate=5e-5)


def _azure(recipe: Recipe, images: int) -> Settings:
    """Source: the defaults of Azure ML's transformers_image_classification_finetune for DeiT."""
    return Settings(epochs=15.0, batch_size=60, learning_rate=5e-5)


def _deit(recipe: Recipe, images: int) -> Settings:
    """Source: DeiT (Touvron et al., 2021), table 9; the rate is 5e-4 for each 512 images of a batch."""
    return Settings(epochs=300.0, batch_size=1024, learning_rate=1e-3, weight_decay=0.05, warmup_fraction=5 / 300)


def _deit_384(recipe: Recipe, images: int) -> Settings:
    """Source: DeiT's published command for 384 px: lr 5e-6 for each 512 images, weight decay 1e-8, 30 epochs."""
    return Settings(epochs=30.0, batch_size=512, learning_rate=5e-6, weight_decay=1e-8, warmup_fraction=5 / 30)


def _deit_transfer(recipe: Recipe, images: int) -> Settings:
    """Source: DeiT's transfer to CIFAR-10: SGD, lr 0.01 for each 768 images, weight decay 1e-4, 1000 epochs."""
    return Settings(
        epochs=1000.0, batch_size=768, learning_rate=0.01, optimizer="sgd", weight_decay=1e-4, warmup_fraction=0.005
    )


PRESETS = {
    "auto": _auto,
    "plain": _plain,
    "azure": _azure,
    "deit": _deit,
    "deit_384": _deit_384,
    "deit_transfer": _deit_transfer,
}
