"""``evaluate``."""

from __future__ import annotations

from finetune.errors import DataError
from finetune.metrics.names import check_metric
from finetune.recipe.checks.found import Checks, Found


def _best_metric(metric: str | None, task: str, top_k: int) -> Found:
    try:
        if metric is not None:
            check_metric(metric, task, top_k)
    except DataError as error:
        yield "evaluate.best_metric", str(error)


def _evaluation_steps(every: str, steps: int | None) -> Found:
    if every == "steps" and steps is None:
        yield "evaluate.every_steps", "missing; evaluate.every is steps, so say how many"
    if every != "steps" and steps is not None:
        yield "evaluate.every_steps", f"found {steps}, but evaluate.every is {every}; write every: steps, or null here"


def _evaluation_epochs(every: str, epochs: int | None) -> Found:
    if every != "epoch" and epochs is not None:
        yield (
            "evaluate.every_epochs",
            f"found {epochs}, but evaluate.every is {every}; write every: epoch, or null here",
        )


def _without_evaluations(every: str, best_metric: str | None, patience: int | None) -> Found:
    for key, value in (("evaluate.best_metric", best_metric), ("evaluate.patience", patience)):
        if every == "never" and value is not None:
            why = "but evaluate.every is never, so nothing is compared"
            yield key, f"found {value}, {why}; write every: epoch, or null here"


CHECKS: Checks = {
    _best_metric: ("evaluate.best_metric", "task", "evaluate.top_k"),
    _evaluation_steps: ("evaluate.every", "evaluate.every_steps"),
    _evaluation_epochs: ("evaluate.every", "evaluate.every_epochs"),
    _without_evaluations: ("evaluate.every", "evaluate.best_metric", "evaluate.patience"),
}
