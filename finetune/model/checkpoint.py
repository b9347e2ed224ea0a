"""A recipe's checkpoint, made ready for its classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from finetune.errors import CheckpointError
from finetune.labels import LabelSpace
from finetune.model.head import replace_head
from finetune.model.loading import load_strictly, read_preprocessing
from finetune.model.nano import bundled_checkpoint
from finetune.model.saved import LoadedModel, set_attention

if TYPE_CHECKING:
    from finetune.model.task import Task
    from finetune.recipe.sections import Recipe


def load_with_new_head(recipe: Recipe, labels: LabelSpace, task: Task) -> LoadedModel:
    """Load the recipe's checkpoint and give it a head for these classes.

    torch's global random state is what it was before.

    Raises:
        CheckpointError: the checkpoint cannot be found, read, or made to fit.
    """
    with torch.random.fork_rng(devices=[]):
        path, source = locate(recipe)
        model, _ = load_strictly(path)
        kept = replace_head(model, labels, mode=recipe.model.head, seed=recipe.run.seed)
    model.config.problem_type = task.problem_type
    if recipe.model.attention != "auto":
        set_attention(model, recipe.model.attention)
    return LoadedModel(model.eval(), read_preprocessing(path), {**source, "head_rows_kept": kept})


def locate(recipe: Recipe) -> tuple[str, dict[str, Any]]:
    name = recipe.model.checkpoint
    if name.startswith("bundled:"):
        folder = bundled_checkpoint(name.removeprefix("bundled:"))
        return str(folder), {"checkpoint": name, "path": str(folder)}
    folder = Path(name)
    if (folder / "model" / "config.json").is_file():
        folder = folder / "model"
    if folder.is_dir():
        return str(folder), {"checkpoint": name, "path": str(folder.resolve())}
    if folder.is_absolute():
        raise CheckpointError(f"model.checkpoint: {name} does not exist")
    return name, {"checkpoint": name, "path": name}
