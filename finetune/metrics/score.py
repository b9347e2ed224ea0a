"""Logits and targets of one split to its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finetune.errors import DataError
from finetune.labels import LabelSpace
from finetune.metrics.names import DEFAULT_TOP_K, MULTICLASS, check_task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def score_metrics(
    task_name: str,
    logits: NDArray[Any],
    targets: NDArray[Any],
    labels: LabelSpace,
    threshold: float = 0.5,
    top_k: int = DEFAULT_TOP_K,
) -> dict[str, Any]:
    """All metrics of a split, as plain numbers that JSON can hold.

    Args:
        task_name: multiclass or multilabel.
        logits: (images, classes), what the model gives before softmax or sigmoid.
        targets: multiclass (images,) class ids, -1 unknown; multilabel (images, classes) 1, 0, -1 unknown.
        labels: The classes, in the order of the logits.
        threshold: Probability from which a label is predicted (multilabel).
        top_k: k of top-k accuracy (multiclass).
    Returns:
        ``images`` and ``images_not_finite`` (counts), the keys of `metric_names` (float, or None where there is no
        value), ``per_class`` and, for multiclass, ``confusion_matrix``. A single NaN or infinite logit makes every
        metric None; ``images_not_finite`` says how many images have one.
    Raises:
        DataError: shapes, classes or values do not fit together.
    """
    check_task(task_name)
    from finetune.metrics import modules

    scores, truth = _checked(task_name, logits, targets, labels, threshold, top_k)
    metric = modules.metric_module(task_name)
    given: dict[str, Any] = {"top_k": top_k} if task_name == MULTICLASS else {"threshold": threshold}
    result: dict[str, Any] = metric.compute(
        predictions=scores, references=truth, class_names=list(labels.names), **given
    )
    return result


def _checked(
    task: str, logits: NDArray[Any], targets: NDArray[Any], labels: LabelSpace, threshold: float, top_k: int
) -> tuple[NDArray[np.floating[Any]], NDArray[Any]]:
    """Both as arrays, or an error that names what does not fit."""
    import numpy as np

    scores, truth = np.asarray(logits), np.asarray(targets)
    if scores.ndim != 2 or scores.shape[1] != len(labels):
        raise DataError(f"logits have shape {scores.shape}; expected (images, {len(labels)}) for {len(labels)} classes")
    expected = (len(scores),) if task == MULTICLASS else scores.shape
    if truth.shape != expected:
        raise DataError(f"targets have shape {truth.shape}; expected {expected} for {task}")
    highest = len(labels) - 1 if task == MULTICLASS else 1
    wrong = truth[(truth < -1) | (truth > highest) | (truth != np.floor(truth))]
    if wrong.size:
        raise DataError(f"targets hold {wrong.flat[0].item()}; expected whole numbers from -1 (unknown) to {highest}")
    if not 0.0 <= threshold <= 1.0:
        raise DataError(f"threshold is {threshold}; expected a probability from 0 to 1")
    if top_k < 1:
        raise DataError(f"top_k is {top_k}; expected 1 or more")
    return scores, truth.astype(np.int64 if task == MULTICLASS else np.int8)
