"""A Trainer built as a run builds it, for tests that look inside the loop."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback


class FirstGradients(TrainerCallback):
    """Keeps the gradients that the first optimiser step sees."""

    def __init__(self) -> None:
        self.gradients: dict[str, torch.Tensor] = {}

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if not self.gradients:
            self.gradients = {name: parameter.grad.clone() for name, parameter in kwargs["model"].named_parameters()}


class StopAfter(TrainerCallback):
    """Saves and stops after a step within an epoch, as an interruption does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.step:
            control.should_save = control.should_training_stop = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.step:
            control.should_save = control.should_evaluate = False


@pytest.fixture
def work_for() -> Iterator[Callable[..., Any]]:
    """``work_for(recipe)``: everything a run has before it trains."""
    from rich.console import Console

    from finetune.data import load_splits, targets
    from finetune.model import choose_task
    from finetune.recipe.settings import choose_settings
    from finetune.run_folder.claim import release
    from finetune.training.hardware import choose_hardware
    from finetune.training.record import Phases
    from finetune.training.resuming import open_folder, plan_run
    from finetune.training.work import Work

    folders = []

    def make(recipe: Any) -> Any:
        plan = plan_run(recipe, fallback=False, resume=False)
        folder, quiet = open_folder(plan, overwrite=False), Console(quiet=True)
        folders.append(folder)
        splits = load_splits(recipe)
        settings = choose_settings(recipe, len(splits.datasets["train"]))
        task = choose_task(recipe, splits.labels, targets(splits.datasets["train"]))
        return Work(plan, folder, choose_hardware(recipe), splits, settings, task, quiet, Phases())

    yield make
    for folder in folders:
        release(folder.path)


@pytest.fixture
def trainer_for(work_for: Callable[..., Any]) -> Callable[..., Any]:
    """``trainer_for(recipe, callback …)``: the run's Trainer."""

    from finetune.training.assembly import build_trainer, load

    def make(recipe: Any, *callbacks: TrainerCallback) -> Any:
        work = work_for(recipe)
        loaded = load(work)
        return build_trainer(work, loaded, recipe.optim.accumulation_steps, list(callbacks))

    return make


@pytest.fixture
def first_gradients(trainer_for: Callable[..., Any]) -> Callable[..., dict[str, torch.Tensor]]:
    """``first_gradients(recipe)``: what the first optimiser step sees, by parameter."""

    def measure(recipe: Any) -> dict[str, torch.Tensor]:
        seen = FirstGradients()
        trainer_for(recipe, seen).train()
        return seen.gradients

    return measure


@pytest.fixture
def twice(trainer_for: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
    """``twice(recipe, step)``: its Trainer when it is through, and another one that goes on after that step."""

    def make(recipe: Any, step: int) -> tuple[Any, Any]:
        whole = trainer_for(recipe)  # one after the other: the Trainer seeds torch when it is made
        whole.train()
        part = trainer_for(recipe, StopAfter(step))
        part.train()
        rest = trainer_for(recipe)
        rest.train(resume_from_checkpoint=f"{part.args.output_dir}/checkpoint-{step}")
        return whole, rest

    return make


@pytest.fixture(params=["multiclass", "multilabel"])
def task_overrides(request: pytest.FixtureRequest, multilabel: dict[str, Any]) -> dict[str, Any]:
    """Overrides for each of the tasks."""
    return multilabel if request.param == "multilabel" else {}


@pytest.fixture(params=["vit", "distilled"])
def each_checkpoint(request: pytest.FixtureRequest, tiny_vit: Path, tiny_distilled: Path) -> dict[str, Any]:
    """Overrides for a model of one head and for one of two."""
    return {"model.checkpoint": str(tiny_vit if request.param == "vit" else tiny_distilled)}


@pytest.fixture(scope="session")
def torchrun() -> Callable[..., subprocess.CompletedProcess[str]]:
    """``torchrun(2, "script.py", …)``: a script in that many processes, which meet over gloo or NCCL."""

    def run(processes: int, *call: str, **options: Any) -> subprocess.CompletedProcess[str]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes)]
        command = [*launcher, "--master_addr", "127.0.0.1", "--master_port", str(port), *call]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, **options)

    return run
