"""``evaluate``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finetune.errors import DataError
from finetune.metrics.names import check_metric
from finetune.recipe.checks.found import Checks, Found
from finetune.recipe.sections import Evaluate, Split


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


def _min_improvement(train: str, patience: int | None, min_improvement: float) -> Found:
    if patience is None and min_improvement != Evaluate().min_improvement and train != "probe":
        why = "but evaluate.patience is null, so nothing waits for it"
        yield "evaluate.min_improvement", f"found {min_improvement}, {why}; write patience, or leave it out"


def _something_to_compare(
    every: str, train: str, best_metric: str | None, patience: int | None, split: Any, kind: str, *given: Any
) -> Found:
    """Only where no validation split can turn up when the data are read: see ``nothing_to_compare``."""
    if every == "never" or train == "probe":  # they have checks of their own
        return
    if _is_without_validation(split, kind, *given):
        yield from nothing_to_compare(best_metric, patience)


def _something_to_tune_on(thresholds: float | str, calibration: str, split: Any, kind: str, *given: Any) -> Found:
    """As ``_something_to_compare``; see ``nothing_to_tune_on``."""
    if _is_without_validation(split, kind, *given):
        yield from nothing_to_tune_on(thresholds, calibration)


def _is_without_validation(split: Any, kind: str, *given: Any) -> bool:
    cut = split if isinstance(split, Split) else Split(**split)
    return not cut.validation and (cut.folds is not None or not _may_bring_validation(kind, *given))


def _may_bring_validation(kind: str, file: Any, split_column: str | None, splits: Any) -> bool:
    if kind == "folder":
        return True  # root may hold a folder of that name
    if kind == "hub":
        return splits is None or "validation" in splits
    return split_column is not None or (isinstance(file, Mapping) and "validation" in file)


def nothing_to_compare(best_metric: str | None, patience: int | None) -> Found:
    """What is wrong with keys that compare evaluations where there is no validation split."""
    for key, value in (("evaluate.best_metric", best_metric), ("evaluate.patience", patience)):
        if value is not None:
            why = "but data.split.validation is 0 and the data bring no validation split, so nothing is compared"
            yield key, f"found {value}, {why}; hold some images out, or write null here"


def nothing_to_tune_on(thresholds: float | str, calibration: str) -> Found:
    """What is wrong with keys that tune on validation images where there are none."""
    why = "but data.split.validation is 0 and the data bring no validation split, so there are no images to tune on"
    if thresholds == "tuned":
        yield "evaluate.thresholds", f"found tuned, {why}; hold some images out, or write 0.5 here"
    if calibration != "none":
        yield "evaluate.calibration", f"found {calibration}, {why}; hold some images out, or write none here"


CHECKS: Checks = {
    _best_metric: ("evaluate.best_metric", "task", "evaluate.top_k"),
    _evaluation_steps: ("evaluate.every", "evaluate.every_steps"),
    _evaluation_epochs: ("evaluate.every", "evaluate.every_epochs"),
    _without_evaluations: ("evaluate.every", "evaluate.best_metric", "evaluate.patience"),
    _min_improvement: ("model.train", "evaluate.patience", "evaluate.min_improvement"),
    _something_to_compare: (
        "evaluate.every",
        "model.train",
        "evaluate.best_metric",
        "evaluate.patience",
        "data.split",
        "data.kind",
        "data.file",
        "data.split_column",
        "data.splits",
    ),
    _something_to_tune_on: (
        "evaluate.thresholds",
        "evaluate.calibration",
        "data.split",
        "data.kind",
        "data.file",
        "data.split_column",
        "data.splits",
    ),
}
