"""The whole of a recipe."""

from __future__ import annotations

from typing import Any, Literal

from finetune.recipe.sections.augment import Augment
from finetune.recipe.sections.data import Data
from finetune.recipe.sections.model import Model
from finetune.recipe.sections.optim import Distill, Loss, Optim
from finetune.recipe.sections.run import Evaluate, Run, Search
from finetune.recipe.sections.section import Section


class Recipe(Section):
    """A whole recipe. Every key but task and data has a default."""

    task: Literal["multiclass", "multilabel"]
    """multiclass: one label an image, softmax; multilabel: any number, sigmoid."""
    data: Data
    """What to learn from."""
    model: Model = Model()
    """Where training starts from."""
    augment: Augment = Augment()
    """How training images are varied."""
    optim: Optim = Optim()
    """How the weights move."""
    loss: Loss = Loss()
    """What training minimises."""
    distill: Distill | None = None
    """A teacher, if there is one."""
    evaluate: Evaluate = Evaluate()
    """When and how the model is measured."""
    run: Run = Run()
    """Where the run goes and how it is carried out."""
    search: Search = Search()
    """What a sweep varies."""
    offline: dict[str, Any] = {}
    """Overrides by dotted key for where checkpoint or data cannot be reached: data.* is applied when the data
    cannot, all other keys when the checkpoint cannot."""
