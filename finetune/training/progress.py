"""What a person sees while training runs: one bar on a terminal, a line now and then in a log file."""

from __future__ import annotations

import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

SECONDS_BETWEEN_LINES = 30.0
HEADLINE = {
    "multiclass": ("loss", "accuracy", "mAP", "f1_macro"),
    "multilabel": ("loss", "accuracy", "mAP", "f1_macro", "hamming_accuracy"),
}


class ShowProgress(TrainerCallback):
    """Loss, learning rate, images per second and the time left; metrics as a table after each evaluation.

    Args:
        task_name: Chooses the metrics shown.
        images_per_epoch: Training images.
        best: The metric that picks the model; it is always shown.
        console: Where to write.
    """

    def __init__(self, task_name: str, images_per_epoch: int, best: str, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stderr, highlight=False)
        headline = HEADLINE[task_name]
        self.columns = headline if best in headline else (*headline, best)
        self.best = best
        self.images_per_epoch = images_per_epoch
        self.speed = 0.0
        self._loss, self._learning_rate = "…", "…"
        self._bar: Progress | None = None
        self._training_seconds, self._images, self._since = 0.0, 0.0, 0.0
        self._last_line, self._last_step, self._first_step = time.monotonic(), 0, 0

    # ------------------------------------------------------------ the Trainer's events

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._steps_per_epoch = max(1, len(kwargs["train_dataloader"]) // args.gradient_accumulation_steps)
        self._since, self._last_step = time.monotonic(), state.global_step
        self._first_step = state.global_step
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("epoch {task.fields[epoch]}"),
                BarColumn(bar_width=10),
                TextColumn("{task.completed}/{task.total} {task.fields[status]}"),
                TimeRemainingColumn(compact=True),
                TextColumn("left"),
                console=self.console,
                transient=True,
            )
            fields: dict[str, Any] = self._fields(state)
            self._task = self._bar.add_task("", total=state.max_steps, completed=state.global_step, **fields)
            self._bar.start()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        now = time.monotonic()
        self._training_seconds += now - self._since
        self._images += (state.global_step - self._last_step) * self.images_per_epoch / self._steps_per_epoch
        self._since, self._last_step = now, state.global_step
        self.speed = self._images / max(self._training_seconds, 1e-9)
        if self._bar is not None:
            fields: dict[str, Any] = self._fields(state)
            self._bar.update(self._task, completed=state.global_step, **fields)
        elif now - self._last_line > SECONDS_BETWEEN_LINES:
            self._last_line = now
            left = seconds_left(self._first_step, state.global_step, state.max_steps, self._training_seconds)
            self._print(f"step {state.global_step}/{state.max_steps}  {self._status()}  {_minutes(left)} left")

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        logs: dict[str, float] = kwargs["logs"]
        if "loss" in logs:
            self._loss, self._learning_rate = f"{logs['loss']:.4f}", f"{logs['learning_rate']:.1e}"

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._print(self.table(state, kwargs["metrics"]))
        self._since = time.monotonic()

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._since = time.monotonic()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away, also after an error."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    # ------------------------------------------------------------ what is drawn

    def table(self, state: TrainerState, metrics: dict[str, float]) -> Table:
        """The latest evaluation as one row; the header stands above the first."""
        rows = [entry for entry in state.log_history if f"eval_{self.best}" in entry]
        table = Table(box=None, show_header=len(rows) <= 1, pad_edge=False)
        for title in ("epoch", "step", "train loss", *self.columns):
            table.add_column(title, justify="right", min_width=max(8, len(title)), no_wrap=True)
        values = [metrics.get(f"eval_{name}") for name in self.columns]
        shown = ["–" if value is None else f"{value:.4f}" for value in values]
        table.add_row(f"{state.epoch or 0:.2f}", str(state.global_step), self._loss, *shown)
        return table

    def _fields(self, state: TrainerState) -> dict[str, str]:
        return {"epoch": f"{state.epoch or 0:.1f}/{state.num_train_epochs}", "status": self._status()}

    def _status(self) -> str:
        return f"loss {self._loss} lr {self._learning_rate} {self.speed:.0f} images/s"

    def _print(self, what: object) -> None:
        (self._bar.console if self._bar is not None else self.console).print(what)


def seconds_left(first: int, now: int, last: int, seconds: float) -> float:
    """How long the steps from ``now`` to ``last`` take, if those from ``first`` to ``now`` took so many seconds.

    >>> seconds_left(900, 910, 1000, 20.0)  # a run that went on at step 900
    180.0
    """
    return (last - now) * seconds / max(1, now - first)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
