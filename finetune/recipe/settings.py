"""``optim.preset`` and what a recipe says beside it, as one set of values."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from finetune.errors import RecipeError
from finetune.recipe.preset_table import preset_table
from finetune.recipe.sections import Recipe
from finetune.recipe.words import number


@dataclass(frozen=True)
class Settings:
    """How the weights move: the values of ``recipe.optim`` that a preset chooses.

    Args:
        learning_rate: Peak; blocks below the head learn at less by ``layer_decay``.
        warmup_fraction: Share of all steps over which the rate rises.
    """

    epochs: float
    batch_size: int
    learning_rate: float
    optimizer: str = "adamw"
    weight_decay: float = 0.0
    warmup_fraction: float = 0.0
    layer_decay: float = 1.0


PUBLISHED = {
    "plain": Settings(epochs=15.0, batch_size=16, learning_rate=5e-5),
    # the defaults of Azure ML's transformers_image_classification_finetune for DeiT
    "azure": Settings(epochs=15.0, batch_size=60, learning_rate=5e-5),
    # DeiT (Touvron et al., 2021), table 9: 5e-4 for each 512 images of a batch, 5 epochs of warm-up
    "deit": Settings(300.0, 1024, learning_rate=1e-3, weight_decay=0.05, warmup_fraction=5 / 300),
    # DeiT's published command for 384 px: 5e-6 for each 512 images, 5 epochs of warm-up
    "deit_384": Settings(30.0, 512, learning_rate=5e-6, weight_decay=1e-8, warmup_fraction=5 / 30),
    # DeiT's transfer to CIFAR-10: SGD, 0.01 for each 768 images, 5 epochs of warm-up
    "deit_transfer": Settings(1000.0, 768, 0.01, "sgd", weight_decay=1e-4, warmup_fraction=5 / 1000),
}
BY_THE_BATCH = ("deit", "deit_384", "deit_transfer")
"""Presets whose rate grows in proportion to the batch, as DeiT's code has it; the others' rates are fixed."""

FEWEST_EPOCHS = 10
AUTO = {
    "epochs": "about 500 steps, 10 to 50 epochs; from random weights 3,000 steps, 10 to 300 epochs",
    "batch_size": "16 below 2,000 images (64 from random weights), 64 below 100,000, else 256",
    "learning_rate": "5e-5 · √(batch / 16); head 1e-3, lora 5e-4; random weights 1e-3 · √(batch / 64); for optimisers "
    "of Adam's kind, beside another the recipe writes it",
    "optimizer": "adamw",
    "weight_decay": "0.05; 0.0 for head and lora",
    "warmup_fraction": "0.1",
    "layer_decay": "0.75 for train: all and last_n_blocks of weights that know something, else 1.0",
}
"""What auto chooses, in words."""


def choose_settings(recipe: Recipe, images: int) -> Settings:
    """The preset's values, and the recipe's where it has its own.

    A batch that the recipe writes moves what the preset makes depend on it: auto's epochs and rate, DeiT's rates.

    Args:
        images: In the training split.
    Raises:
        RecipeError: the batch that was chosen cannot be cut into so many accumulation steps.
    """
    preset = recipe.optim.preset
    chosen = _auto(recipe, images) if preset == "auto" else _published(preset, recipe.optim.batch_size)
    own = {field.name: getattr(recipe.optim, field.name) for field in fields(Settings)}
    settings = replace(chosen, **{name: value for name, value in own.items() if value is not None})
    if recipe.optim.warmup_steps:
        settings = replace(settings, warmup_fraction=0.0)
    if recipe.optim.accumulation_steps > settings.batch_size:
        why = f"the batch that preset {preset} chose, {settings.batch_size}, cannot be cut that often"
        raise RecipeError([f"optim.accumulation_steps: found {recipe.optim.accumulation_steps}, but {why}"])
    return settings


def _published(preset: str, batch_size: int | None) -> Settings:
    """As published, for a batch of that many images."""
    settings = PUBLISHED[preset]
    if batch_size is None or preset not in BY_THE_BATCH:
        return settings
    return replace(settings, learning_rate=settings.learning_rate * batch_size / settings.batch_size)


def _auto(recipe: Recipe, images: int) -> Settings:
    """By what is trained and how much there is: weights that know nothing move faster, and for longer."""
    train, random = recipe.model.train, recipe.model.weights == "random"
    fitting = 16 if images < 2_000 and not random else 64 if images < 100_000 else 256
    batch = recipe.optim.batch_size or fitting
    steps, most_epochs = (3_000, 300) if random else (500, 50)
    epochs = min(most_epochs, max(FEWEST_EPOCHS, math.ceil(steps * batch / max(1, images))))
    common: dict[str, Any] = {"epochs": float(epochs), "batch_size": batch, "warmup_fraction": 0.1}
    if train in ("head", "lora"):
        return Settings(**common, learning_rate={"head": 1e-3, "lora": 5e-4}[train])
    if random:
        return Settings(**common, learning_rate=1e-3 * math.sqrt(batch / 64), weight_decay=0.05)
    return Settings(**common, learning_rate=5e-5 * math.sqrt(batch / 16), weight_decay=0.05, layer_decay=0.75)


def presets_table() -> str:
    """Every preset spelled out, as Markdown."""
    return preset_table("optim", {"auto": AUTO, **{name: _in_words(name) for name in PUBLISHED}})


def _in_words(preset: str) -> dict[str, Any]:
    values = asdict(PUBLISHED[preset])
    if preset in BY_THE_BATCH:
        values["learning_rate"] = f"{number(values['learning_rate'])} · batch / {values['batch_size']}"
    return values
