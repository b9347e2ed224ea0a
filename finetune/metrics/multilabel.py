"""Metrics of any number of labels an image: sigmoid logits and 1, 0 or -1 (nobody knows) to numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import jaccard_score, precision_recall_fscore_support

from finetune.metrics.classes import images_not_finite, mean, rows_of, where_defined
from finetune.metrics.definitions import MULTILABEL
from finetune.metrics.inputs import check_threshold, checked_inputs
from finetune.metrics.names import metric_names, per_class_names
from finetune.metrics.ranking import rank_scores, ranking_means
from finetune.metrics.scores import sigmoid

Mask = NDArray[np.bool_]
_DECIDED = ("precision", "recall", "f1", "iou")


def multilabel_metrics(
    logits: NDArray[Any], targets: NDArray[np.int8], names: Sequence[str], threshold: float | NDArray[Any] = 0.5
) -> dict[str, Any]:
    """All metrics of a multi-label split.

    Args:
        logits: (images, classes).
        targets: (images, classes): 1 present, 0 absent, -1 nobody knows. An image of which nothing is known is left
            out.
        names: One name per class.
        threshold: Probability from which (inclusive) a label is predicted; or one for each class, or (images, classes).
    Returns:
        Key to float or None (see the README beside this file), ``images``, ``images_not_finite`` and ``per_class``.
        With no known cell, or a logit that is NaN or infinite, everything but the counts is None.
    Raises:
        DataError: shapes or values do not fit together.
    """
    logits, targets = checked_inputs(MULTILABEL, logits, targets, len(names))
    thresholds = check_threshold(threshold, logits.shape)
    any_known = (targets >= 0).any(axis=1)
    if not any_known.all():
        logits, targets, thresholds = logits[any_known], targets[any_known], thresholds[any_known]
    known, present = targets >= 0, targets == 1
    columns: dict[str, Any] = {"known": known.sum(axis=0).tolist(), "support": present.sum(axis=0).tolist()}
    values: dict[str, float | None] = dict.fromkeys(metric_names(MULTILABEL))
    counts = {"images": len(targets), "images_not_finite": images_not_finite(logits)}
    if counts["images"] and not counts["images_not_finite"]:
        # An unknown cell is made neither present nor predicted: precision, recall, F1 and IoU do not see such cells.
        predicted = (sigmoid(logits) >= thresholds) & known
        columns |= _class_decisions(present, predicted) | _class_rankings(logits, present, known)
        values |= _cell_scores(logits, present, known, predicted)
        values |= _class_means(columns) | _micro(present, predicted) | _samples(present, predicted)
    return {**counts, **values, "per_class": rows_of(names, columns, per_class_names(MULTILABEL))}


def _cell_scores(logits: NDArray[Any], present: Mask, known: Mask, predicted: Mask) -> dict[str, float | None]:
    """What is counted over known cells, and exact match over images."""
    scores, positive = logits[known], present[known]
    average_precision, area = rank_scores(positive, scores)
    return {
        "loss": _binary_cross_entropy(scores, positive),
        "accuracy": float((predicted == present).all(axis=1).mean()),
        "hamming_accuracy": float((predicted[known] == positive).mean()),
        "mAP_micro": average_precision,
        "auroc_micro": area,
    }


def _binary_cross_entropy(logits: NDArray[Any], positive: Mask) -> float:
    exact = logits.astype(np.float64)
    return float((np.logaddexp(0.0, exact) - exact * positive).mean())


def _precision_recall_f1_iou(present: Mask, predicted: Mask, average: str | None) -> list[Any]:
    """scikit-learn's four; 0/0 counts 0, and who calls says where it has no value instead."""
    true, chosen = present.astype(np.int8), predicted.astype(np.int8)
    if true.shape[1] == 1:  # scikit-learn reads a single column as two classes, not as one label
        true, chosen = (np.pad(column, ((0, 0), (0, 1))) for column in (true, chosen))
    found = precision_recall_fscore_support(true, chosen, average=average, zero_division=0.0)[:3]
    return [*found, jaccard_score(true, chosen, average=average, zero_division=0.0)]


def _class_decisions(present: Mask, predicted: Mask) -> dict[str, list[Any]]:
    """Precision, recall, F1 and IoU of each class."""
    support, guesses = present.sum(axis=0), predicted.sum(axis=0)
    found = [each[: len(support)] for each in _precision_recall_f1_iou(present, predicted, None)]
    defined = [support + guesses > 0, *[support > 0] * 3]
    decided = {key: where_defined(*pair) for key, *pair in zip(_DECIDED, defined, found, strict=True)}
    return {"predicted": guesses.tolist(), **decided}


def _class_rankings(logits: NDArray[Any], present: Mask, known: Mask) -> dict[str, list[float | None]]:
    """Average precision and AUROC of each class, over the images where it is known."""
    found = []
    for class_id in range(present.shape[1]):
        rows = known[:, class_id]
        found.append(rank_scores(present[rows, class_id], logits[rows, class_id]))
    return {"average_precision": [ap for ap, _ in found], "auroc": [area for _, area in found]}


def _class_means(columns: dict[str, list[Any]]) -> dict[str, float | None]:
    """Means over the classes that occur, plain and weighted by their positives."""
    support = columns["support"]
    means = ranking_means(columns["average_precision"], columns["auroc"], support)
    for key in _DECIDED:
        # A class without positives may have a precision (0, if it is predicted), but has no part in any mean.
        column = [value if support[i] else None for i, value in enumerate(columns[key])]
        means |= {f"{key}_macro": mean(column), f"{key}_weighted": mean(column, support)}
    return means


def _micro(present: Mask, predicted: Mask) -> dict[str, float | None]:
    """All cells together."""
    defined = [bool(present.any() or predicted.any()), *[bool(present.any())] * 3]
    found = where_defined(defined, _precision_recall_f1_iou(present, predicted, "micro"))
    return {f"{key}_micro": value for key, value in zip(_DECIDED, found, strict=True)}


def _samples(present: Mask, predicted: Mask) -> dict[str, float | None]:
    """Means over images. One that has no labels and gets none is decided rightly and counts 1."""
    either = (present | predicted).sum(axis=1) > 0
    found = _precision_recall_f1_iou(present[either], predicted[either], "samples") if either.any() else [0.0] * 4
    images = len(present)
    blank = images - int(either.sum())
    return {
        f"{key}_samples": float((value * (images - blank) + blank) / images)
        for key, value in zip(_DECIDED, found, strict=True)
    }
