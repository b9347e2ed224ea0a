"""Trains several recipes, one after the other, and keeps what each process holds when it scores. Run by torchrun."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from finetune.recipe import load_recipe
from finetune.training import runner, train
from finetune.training.hardware import process_place
from finetune.training.trainer import ClassifierTrainer


class KeepHoldings(TrainerCallback):
    """Writes ``NAME-held-RANK.pt``: buffers and average of each evaluation."""

    def __init__(self, file: Path) -> None:
        self.file, self.held = file, []

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        average = trainers[-1].average
        buffers = {name: tensor.clone() for name, tensor in kwargs["model"].named_buffers()}
        averaged = {name: tensor.clone() for name, tensor in average.average.items()} if average else {}
        self.held.append({**buffers, **{f"average of {name}": tensor for name, tensor in averaged.items()}})
        torch.save(self.held, self.file)


trainers: list[ClassifierTrainer] = []
build = runner.build_trainer


def build_and_keep(*arguments: Any) -> ClassifierTrainer:
    trainers.append(build(*arguments))
    return trainers[-1]


if __name__ == "__main__":
    runner.build_trainer = build_and_keep
    for file in map(Path, sys.argv[1:]):
        train(load_recipe(file), listeners=[KeepHoldings(file.with_name(f"{file.stem}-held-{process_place()[0]}.pt"))])
