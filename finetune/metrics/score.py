"""Logits and targets of one split to its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finetune.labels import LabelSpace
from finetune.metrics.definitions import DEFAULT_TOP_K, MULTICLASS

if TYPE_CHECKING:
    from numpy.typing import NDArray


def score_metrics(
    task_name: str,
    logits: NDArray[Any],
    targets: NDArray[Any],
    labels: LabelSpace,
    threshold: float | NDArray[Any] = 0.5,
    top_k: int = DEFAULT_TOP_K,
) -> dict[str, Any]:
    """All metrics of a split, as plain numbers that JSON can hold.

    Args:
        task_name: multiclass or multilabel.
        logits: (images, classes), what the model gives before softmax or sigmoid.
        targets: multiclass (images,) class ids; multilabel (images, classes) of 1 and 0; -1 where nobody knows.
        labels: The classes, in the order of the logits.
        threshold: Probability from which a label is predicted (multilabel); or one for each class, or one for each
            image and class.
        top_k: k of top-k accuracy (multiclass); at most the number of classes is used.
    Returns:
        The counts ``images`` and ``images_not_finite``; each of `metric_names`, a float, or None where it has no
        value; ``per_class``, a row for each class; for multiclass ``confusion_matrix``, rows true, columns predicted.
        A single logit that is NaN or infinite makes every metric None, and ``images_not_finite`` is not 0 then.
    Raises:
        DataError: there is no such task, or shapes, classes or values do not fit together.

    The README in this folder defines them all.
    """
    from finetune.metrics.modules import metric_module

    setting = {"top_k": top_k} if task_name == MULTICLASS else {"threshold": threshold}
    metrics: dict[str, Any] = metric_module(task_name).compute(
        predictions=logits, references=targets, class_names=labels.names, **setting
    )
    return metrics
