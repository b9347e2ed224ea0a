"""Trains a recipe and keeps the first gradients; then scores the untrained checkpoint. Run by torchrun in tests."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from finetune.model import load_with_new_head
from finetune.recipe import load_recipe
from finetune.training import runner, train
from finetune.training.runner import note_start
from finetune.training.work import Work


class FirstGradients(TrainerCallback):
    def __init__(self, file: Path) -> None:
        self.file = file

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 0 and state.is_world_process_zero:
            model = kwargs["model"]
            gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
            torch.save({name.removeprefix("module."): tensor for name, tensor in gradients.items()}, self.file)


def score_first(work: Work) -> None:
    """Score the checkpoint before it trains."""
    note_start(work)
    loaded = load_with_new_head(work.recipe, work.splits.labels, work.task)
    metrics = work.measure(loaded, torch.device("cpu"))(loaded.model)
    if work.hardware.is_main:
        (work.folder.path.parent / "same_weights.json").write_text(json.dumps(metrics))


if __name__ == "__main__":
    runner.note_start = score_first
    recipe = load_recipe(sys.argv[1])
    train(recipe, listeners=[FirstGradients(Path(recipe.run.root) / "gradients.pt")])
