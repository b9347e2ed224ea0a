"""Why training may end before its last step: a signal, the clock, or no more progress.

Each is decided at a step's end and by all processes together, so that none waits for another.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from finetune.metrics import higher_is_better

MOST_EVALUATIONS, SHORT_EPOCH_STEPS = 50, 100
EXIT_CODE = 75
"""EX_TEMPFAIL of sysexits.h: try again later, here with --resume."""


class Interrupted(Exception):  # noqa: N818 - being asked to stop is no error
    """Training was asked to stop, saved a checkpoint, and can go on with ``--resume``."""


class StopOnSignal(TrainerCallback):
    """SIGINT and SIGTERM finish the running step, save and stop; a second SIGINT stops at once.

    A checkpoint that is saved in the middle of an epoch carries no evaluation, so that the interrupted and the
    uninterrupted run evaluate at the same steps. At an epoch's last step the evaluation that is due comes first.
    """

    def __init__(self) -> None:
        self.asked = False
        self.stopped = False
        self._steps_per_epoch = 0
        self._previous: dict[signal.Signals, Any] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._steps_per_epoch = max(1, len(kwargs["train_dataloader"]) // args.gradient_accumulation_steps)
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if not any_process(self.asked, args.device) or state.global_step >= state.max_steps:
            return
        self.stopped = True
        control.should_training_stop = True
        control.should_save = control.should_save or not self._saves_at_epoch_end(args, state)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self.stopped and not self._saves_at_epoch_end(args, state):
            control.should_evaluate = control.should_save = False

    def _saves_at_epoch_end(self, args: TrainingArguments, state: TrainerState) -> bool:
        return args.save_strategy == "epoch" and state.global_step % self._steps_per_epoch == 0

    def restore(self) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}


class SomeEpochs(TrainerCallback):
    """Evaluate and save after some epochs instead of all, and after the last.

    An evaluation and a checkpoint of a few hundred images take longer than an epoch of them.

    Args:
        every: Epochs from one evaluation to the next.
        stop: What may interrupt training: then a checkpoint, but no evaluation that an uninterrupted run lacks.
    """

    def __init__(self, every: int, stop: StopOnSignal) -> None:
        self.every, self.stop = every, stop

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if round(state.epoch or 0.0) % self.every == 0 or state.global_step >= state.max_steps:
            return
        if self.stop.stopped:
            control.should_evaluate = False
        elif not control.should_training_stop:
            control.should_evaluate = control.should_save = False


def epochs_between_evaluations(epochs: float, steps_per_epoch: int) -> int:
    """How many short epochs go by between two evaluations; a long one is always followed by its own.

    >>> [epochs_between_evaluations(epochs, steps_per_epoch=7) for epochs in (15, 50, 51, 300)]
    [1, 1, 2, 6]
    >>> epochs_between_evaluations(300, steps_per_epoch=1250)
    1
    """
    return max(1, math.ceil(epochs / MOST_EVALUATIONS)) if steps_per_epoch < SHORT_EPOCH_STEPS else 1


class StopOnTime(TrainerCallback):
    """Stop after ``minutes`` of training in this process, with an evaluation and a checkpoint.

    The learning rate keeps step with the clock: where the time will not last for all steps, its course is run through
    as fast as the time goes by, so that a run which the clock ends has come down like any other.

    Source: Li, Yumer and Ramanan, "Budgeted Training: Rethinking Deep Neural Network Training Under Resource
        Constraints" (2020), whose finding is that the rate should reach its end when the budget does.
    """

    def __init__(self, minutes: float) -> None:
        self.minutes = minutes
        self._began = time.monotonic()
        self._used = 0.0

    def keep_step(self, course: Callable[[int], float], steps: int) -> Callable[[int], float]:
        """A course of the learning rate over so many steps that keeps step with the clock."""
        return lambda step: course(max(step, int(self._used * steps)))

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._began = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._used = largest((time.monotonic() - self._began) / (60 * self.minutes), args.device)
        if self._used > 1.0:
            control.should_training_stop = True
            control.should_evaluate = control.should_save = args.eval_strategy == "steps"


class StopWithoutProgress(TrainerCallback):
    """Stop after ``patience`` evaluations without a better metric.

    The count is read from the log of evaluations, which checkpoints keep: resuming needs no state of its own.
    """

    def __init__(self, metric: str, patience: int, min_improvement: float) -> None:
        self.metric, self.patience, self.min_improvement = metric, patience, min_improvement

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        sign = 1.0 if higher_is_better(self.metric) else -1.0
        key = f"eval_{self.metric}"
        values = [sign * entry[key] for entry in state.log_history if key in entry]
        if evaluations_without_progress(values, self.min_improvement) >= self.patience:
            control.should_training_stop = True


def evaluations_without_progress(values: list[float], min_improvement: float = 0.0) -> int:
    """How many of the latest values did not beat the best before them by more than ``min_improvement``.

    >>> evaluations_without_progress([0.5, 0.7, 0.7, 0.6])
    2
    """
    best, since = float("-inf"), 0
    for value in values:
        since = 0 if value > best + min_improvement else since + 1
        best = max(best, value)
    return since


def any_process(flag: bool, device: torch.device) -> bool:
    """Whether the flag is set in any process."""
    return largest(float(flag), device) > 0


def largest(value: float, device: torch.device) -> float:
    """The largest among the values of all processes."""
    if not (dist.is_available() and dist.is_initialized()):
        return value
    values = torch.tensor(value, device=device)
    dist.all_reduce(values, op=dist.ReduceOp.MAX)
    return float(values.item())


def requeue_hint() -> str:
    """What to run to go on, fitting for where this runs."""
    job = os.environ.get("SLURM_JOB_ID")
    return f" (in Slurm: scontrol requeue {job}, with --resume in the script)" if job else ""
