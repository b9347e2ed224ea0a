"""Do logits, targets and classes fit together? Asked once, before anything is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.errors import DataError
from finetune.metrics.definitions import MULTICLASS


def checked_inputs(task: str, logits: Any, targets: Any, classes: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Logits and targets as arrays.

    Args:
        task: multiclass or multilabel.
        logits: (images, classes) numbers; NaN and infinity are allowed, the metrics have an answer to them.
        targets: (images,) class ids, or (images, classes) of 1 and 0; -1 where nobody knows.
        classes: How many there should be.
    Raises:
        DataError: a shape or a value is not of this kind.

    >>> checked_inputs("multiclass", [[1.0, 2.0]], [2], classes=2)
    Traceback (most recent call last):
    finetune.errors.DataError: targets hold 2; expected whole numbers from -1 (unknown) to 1
    """
    scores, truth = np.asarray(logits), np.asarray(targets)
    if scores.ndim != 2 or scores.shape[1] != classes:
        raise DataError(f"logits have shape {scores.shape}; expected (images, {classes}), a column for each class")
    shape = (len(scores),) if task == MULTICLASS else scores.shape
    if truth.shape != shape:
        raise DataError(f"targets have shape {truth.shape}; expected {shape} for {task}")
    for name, array in (("logits", scores), ("targets", truth)):
        if array.dtype.kind not in "biuf":
            raise DataError(f"{name} are of type {array.dtype}; expected numbers")
    highest = classes - 1 if task == MULTICLASS else 1
    wrong = truth[(truth < -1) | (truth > highest) | (truth != np.floor(truth))]
    if wrong.size:
        raise DataError(f"targets hold {wrong[0]}; expected whole numbers from -1 (unknown) to {highest}")
    return scores, truth.astype(np.int64 if task == MULTICLASS else np.int8)


def check_threshold(threshold: float | NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Thresholds as an array of the shape of the logits: one for all, one for each class, or one for each cell.

    Args:
        threshold: A number, (classes,) or (images, classes).
        shape: (images, classes).
    Raises:
        DataError: one is below 0, above 1, or NaN, or there are too few or too many.
    """
    given = np.asarray(threshold, dtype=np.float64)
    if given.shape not in ((), shape[1:], shape):
        raise DataError(f"thresholds have shape {given.shape}; expected one number, {shape[1:]} or {shape}")
    wrong = given[~((given >= 0.0) & (given <= 1.0))]
    if wrong.size:
        raise DataError(f"threshold is {wrong.flat[0]}; expected a probability from 0 to 1")
    return np.broadcast_to(given, shape)


def check_top_k(top_k: int) -> None:
    """Refuse a k that ranks nothing.

    Raises:
        DataError: it is below 1.
    """
    if top_k < 1:
        raise DataError(f"top_k is {top_k}; expected 1 or more")
