"""A running average of the weights, scored beside the weights themselves.

Source: Polyak and Juditsky (1992), exponentially weighted as in timm's ModelEma; the warm-up is TensorFlow's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from finetune.model.trainable import running_statistics
from finetune.training.processes import as_in_main

FILE = "average.safetensors"
Weights = Literal["raw", "ema"]


class AverageWeights(TrainerCallback):
    """Keeps the average of what learns, and of the running statistics of batch norms.

    After step t the average moves by ``1 - min(decay, (1 + t) / (10 + t))`` towards the weights, so that the first
    ones are soon forgotten. Every process keeps the same average, but for that of running statistics: of these the main
    process's counts, and checkpoints hold it, in a file of its own.

    Args:
        decay: Weight of the old average once many steps are done.
        metric: The one that picks the better weights.
        higher_is_better: Of the metric.
    """

    def __init__(self, decay: float, metric: str, higher_is_better: bool) -> None:
        self.decay, self.metric, self.higher_is_better = decay, metric, higher_is_better
        self.average: dict[str, torch.Tensor] = {}
        self.better: Weights = "raw"
        self.scores: dict[Weights, float | None] = {}

    # ------------------------------------------------------------ the Trainer's events

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        averaged = _averaged(kwargs["model"], kwargs["optimizer"])
        found = self.average or averaged  # what a checkpoint held, or the weights that training begins with
        self.average = {name: found[name].detach().to(now.device, copy=True) for name, now in averaged.items()}

    @torch.no_grad()
    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        decay = min(self.decay, (1 + state.global_step) / (10 + state.global_step))
        now = _tensors(kwargs["model"])
        for name, average in self.average.items():
            average.lerp_(now[name], 1 - decay)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            self.save(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if not args.load_best_model_at_end:  # nothing was compared, and the average is what was asked for
            self.better = "ema"
            self._agree(kwargs["model"])
            self.copy_into(kwargs["model"])

    # ------------------------------------------------------------ measuring

    def score_both(self, model: nn.Module, measure: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Metrics of the weights and of their average; those of the better ones are returned."""
        self._agree(model)
        found: dict[Weights, dict[str, Any]] = {"raw": measure(model)}
        with self.in_place_of(model):
            found["ema"] = measure(model)
        self.scores = {weights: metrics.get(self.metric) for weights, metrics in found.items()}
        self.better = self._better()
        return found[self.better]

    def _agree(self, model: nn.Module) -> None:
        as_in_main(self.average[name] for name in running_statistics(model) if name in self.average)

    def _better(self) -> Weights:
        raw, ema = self.scores["raw"], self.scores["ema"]
        if raw is None or ema is None:
            return "raw"
        return "ema" if (ema > raw if self.higher_is_better else ema < raw) else "raw"

    @contextmanager
    def in_place_of(self, model: nn.Module) -> Iterator[None]:
        """The average stands in the model, and the weights in the average, until this is left."""
        self._swap(model)
        try:
            yield
        finally:
            self._swap(model)

    @torch.no_grad()
    def _swap(self, model: nn.Module) -> None:
        now = _tensors(model)
        for name, average in self.average.items():
            kept = now[name].clone()
            now[name].copy_(average)
            average.copy_(kept)

    @torch.no_grad()
    def copy_into(self, model: nn.Module) -> None:
        """Give the model the average."""
        now = _tensors(model)
        for name, average in self.average.items():
            now[name].copy_(average)

    # ------------------------------------------------------------ checkpoints

    def save(self, checkpoint: Path) -> None:
        """Write the average, and which weights were the better ones when they were last scored."""
        tensors = {name: average.cpu().contiguous() for name, average in self.average.items()}
        save_file(tensors, checkpoint / FILE, metadata={"better": self.better})

    def load(self, checkpoint: Path) -> None:
        """Read both back."""
        with safe_open(checkpoint / FILE, framework="pt") as file:
            self.better = "ema" if file.metadata()["better"] == "ema" else "raw"
            self.average = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict


def _averaged(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    learning = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    statistics = running_statistics(model)
    return {name: tensor for name, tensor in _tensors(model).items() if id(tensor) in learning or name in statistics}


def _tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}
