"""The learning-rate range test: the loss while the rate rises from far too low to far too high.

Source: Smith, "Cyclical Learning Rates for Training Neural Networks" (WACV 2017, arXiv 1506.01186, 2015), section 3.3.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from finetune.errors import RecipeError, TrainingError
from finetune.recipe import Recipe, with_overrides
from finetune.run_folder import RunFolder
from finetune.run_folder.json_files import write_json
from finetune.search.descent import Suggestion, smoothed, suggest
from finetune.search.extras import need
from finetune.training import Interrupted, train
from finetune.training.hardware import process_place
from finetune.training.processes import from_main
from finetune.training.resuming import run_name

SUFFIX = "-find-lr"
STEPS, LOW, HIGH = 100, 1e-7, 1.0
DIVERGED = 4.0
"""The test stops when the smoothed loss is this many times its best, as fastai's ``lr_find`` does."""

PLAIN = {
    "optim.schedule": "constant", "optim.schedule_args": {}, "optim.warmup_fraction": 0.0, "optim.warmup_steps": None,
    "optim.unfreeze_every_epochs": None, "optim.ema_decay": None, "evaluate.every": "never",
    "evaluate.every_steps": None, "evaluate.every_epochs": None,
    "evaluate.best_metric": None, "evaluate.patience": None, "evaluate.min_improvement": 0.0, "run.max_minutes": None,
    "run.tracking": [], "run.log_every_steps": 1,
}  # fmt: skip
"""What has no place in a range test: it has a schedule of its own, measures the training loss, and saves nothing."""


@dataclass(frozen=True)
class RangeTest:
    """What a range test found.

    Args:
        rates: Of each step that was taken.
        losses: The training loss of each step's batch, before the step.
        smoothed: The same, smoothed.
        learning_rate: The suggestion for ``optim.learning_rate``, or None where the curve has no clear descent.
        note: How that came about, in a sentence.
        folder: Where ``find-lr.json`` and ``find-lr.png`` are.
    """

    rates: list[float]
    losses: list[float]
    smoothed: list[float]
    learning_rate: float | None
    note: str
    folder: Path


def find_learning_rate(
    recipe: Recipe,
    *,
    steps: int = STEPS,
    low: float = LOW,
    high: float = HIGH,
    fallback: bool = True,
    overwrite: bool = False,
) -> RangeTest:
    """Train for some steps with a rate that rises evenly on a logarithmic scale, and suggest one.

    Model, data, augmentation, loss and batches are the recipe's; groups of weights that learn at a multiple of the rate
    keep it. The steps themselves are thrown away. The same recipe gives the same curve.

    Args:
        recipe: As it was loaded.
        steps: At least 10.
        low, high: The first and the last rate.
        fallback: Where checkpoint or data cannot be reached, apply the recipe's ``offline`` section.
        overwrite: Replace the result of that name instead of numbering a new one.
    Raises:
        RecipeError: nothing takes steps, the range is none, or matplotlib is missing.
        FinetuneError: something else that the user can mend.
        KeyboardInterrupt: a signal asked to stop; nothing was kept.
    """
    _refuse(recipe, steps, low, high)
    need("matplotlib", "find-lr draws its curve with it")
    rising = _RisingRate(steps, low, high)
    _train_and_forget(recipe, rising, fallback)
    losses, best = rising.losses, smoothed(rising.losses)
    found = suggest(rising.rates[: len(losses)], losses)
    folder = from_main(lambda: _folder(recipe, overwrite))
    result = RangeTest(rising.rates[: len(losses)], losses, best, found.learning_rate, found.note, folder.path)
    if process_place()[0] == 0:
        _write(folder, result, found)
    return result


def _train_and_forget(recipe: Recipe, rising: _RisingRate, fallback: bool) -> None:
    """Take the steps of a real training, whose run folder vanishes."""
    steps = {"optim.max_steps": len(rising.rates), "optim.learning_rate": rising.rates[0]}
    with tempfile.TemporaryDirectory(prefix="find-lr-") as nowhere, contextlib.suppress(_EndError):
        own = {**PLAIN, **steps, "run.root": nowhere, "run.name": "find-lr"}
        try:
            train(with_overrides(recipe, own), fallback=fallback, listeners=[rising])
        except Interrupted:
            raise KeyboardInterrupt from None
        except TrainingError:
            if not rising.losses:
                raise  # no rate was tried that could be to blame


def _refuse(recipe: Recipe, steps: int, low: float, high: float) -> None:
    if recipe.model.train == "probe":
        why = "a probe is fitted by a solver and has no learning rate"
        raise RecipeError([f"model.train: found probe, but {why}; there is nothing for find-lr to find"])
    if not 0 < low < high:
        raise RecipeError(
            [f"found the rates {low:g} to {high:g}, expected a low one above 0 and a higher one"], "find-lr"
        )
    if steps < 10:
        raise RecipeError([f"found {steps} steps, expected at least 10"], "find-lr")


class _EndError(Exception):
    """The test is over: training is left without saving anything."""


class _RisingRate(TrainerCallback):
    """Sets the rate before each step, and listens to the loss.

    Args:
        steps: From the first rate to the last.
        low, high: These rates.
    """

    def __init__(self, steps: int, low: float, high: float) -> None:
        self.rates = [low * (high / low) ** (step / (steps - 1)) for step in range(steps)]
        self.losses: list[float] = []
        self._bases: list[float] = []

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.losses = []  # after running out of memory, training begins anew
        self._bases = [group["lr"] / self.rates[0] for group in kwargs["optimizer"].param_groups]

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        rates = [base * self.rates[state.global_step] for base in self._bases]
        for group, rate in zip(kwargs["optimizer"].param_groups, rates, strict=True):
            group["lr"] = rate
        kwargs["lr_scheduler"]._last_lr = rates  # which is what is logged and shown; the schedule's is another

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if "loss" not in kwargs["logs"]:
            return
        self.losses.append(kwargs["logs"]["loss"])
        curve = smoothed(self.losses)
        if len(curve) == len(self.rates) or curve[-1] > DIVERGED * min(curve):
            raise _EndError

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Lets the rate that was taken be logged and shown, instead of the schedule's, which knows nothing of it."""
        scheduler = kwargs["lr_scheduler"]
        scheduler._last_lr = [base * self.rates[state.global_step - 1] for base in self._bases]
        control.should_save = False

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        control.should_save = False


def _folder(recipe: Recipe, overwrite: bool) -> RunFolder:
    return RunFolder.create(recipe.run.root, f"{run_name(recipe)}{SUFFIX}", overwrite)


def _write(folder: RunFolder, result: RangeTest, found: Suggestion) -> None:
    """``find-lr.json`` and ``find-lr.png``."""
    from finetune.plots.drawing import rate_curve

    fields = {key: value for key, value in asdict(result).items() if key != "folder"}
    write_json(folder.path / "find-lr.json", fields)
    drawing = rate_curve(result.rates, result.losses, result.smoothed, result.learning_rate)
    drawing.savefig(folder.path / "find-lr.png", dpi=100)
    folder.update_record({"status": "finished"})
