"""Metrics under Azure's names: ours where they are the same numbers, and those that only Azure has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.evaluation.azure_config import AzureConfig
from finetune.evaluation.outcome import Judge
from finetune.evaluation.scored import Scored
from finetune.metrics.azure_names import AZURE_NAMES
from finetune.metrics.definitions import MULTICLASS
from finetune.metrics.ranking import rank_scores
from finetune.metrics.scores import log_softmax, sigmoid, softmax_log_odds

POINTS = 100
"""Thresholds of an accuracy table."""
_OF_A_CLASS = {
    "AUC": "auroc",
    "f1_score": "f1",
    "precision_score": "precision",
    "recall_score": "recall",
    "average_precision_score": "average_precision",
}


def azure_metrics(scored: Scored, judge: Judge, config: AzureConfig) -> dict[str, Any]:
    """The metrics that a config asks for, under Azure's names and in its order.

    Returns:
        Numbers, None where there is no value; ``confusion_matrix`` and ``accuracy_table`` as Azure's JSON writes them.
        Means are over the classes that occur, where Azure's are over all that occur or are predicted.
    """
    ours = judge.metrics(scored)
    return {name: _value(name, scored, judge, ours) for name in config.metrics}


def _value(name: str, scored: Scored, judge: Judge, ours: dict[str, Any]) -> Any:
    if not ours["images"] or ours["images_not_finite"]:
        return None
    one_label = scored.task == MULTICLASS
    logits = judge.decision.calibrated(scored.logits)
    if name == "confusion_matrix":
        return _confusion_matrix(scored, ours)
    if name == "accuracy_table":
        return accuracy_table(scored, logits)
    metric, _, average = name.rpartition("_")
    if average == "binary":
        rows = list(ours["per_class"].values())
        return rows[1][_OF_A_CLASS[metric]] if len(rows) == 2 else None
    key = AZURE_NAMES[name].multiclass if one_label else AZURE_NAMES[name].multilabel
    if key:
        return ours[key]
    if not one_label:
        return None
    if average == "micro" and metric in ("AUC", "average_precision_score"):
        return _micro(logits, scored.targets)[metric]
    matrix = np.array(ours["confusion_matrix"], dtype=np.float64)
    if name == "weighted_accuracy":
        return weighted_accuracy(matrix)
    return norm_macro_recall(ours["recall_macro"], len(matrix)) if name == "norm_macro_recall" else None


def weighted_accuracy(matrix: NDArray[np.float64]) -> float:
    """Accuracy in which an image counts as many times as its class has images.

    Args:
        matrix: Rows true, columns predicted.

    Three of four and none of one: (4 · 3 + 1 · 0) / (4 · 4 + 1 · 1).

    >>> round(weighted_accuracy(np.array([[3.0, 1.0], [1.0, 0.0]])), 6) == round(12 / 17, 6)
    True
    """
    images = matrix.sum(axis=1)
    return float((images * np.diag(matrix)).sum() / (images**2).sum())


def norm_macro_recall(recall_macro: float, classes: int) -> float | None:
    """Macro recall, 0 for guessing and 1 for perfect; None of a single class.

    >>> norm_macro_recall(0.75, 2), norm_macro_recall(0.1, 4)
    (0.5, 0.0)
    """
    return None if classes < 2 else max(0.0, (recall_macro - 1 / classes) / (1 - 1 / classes))


def _micro(logits: NDArray[Any], targets: NDArray[Any]) -> dict[str, float | None]:
    known = targets >= 0
    odds = softmax_log_odds(log_softmax(logits[known]))
    present = targets[known][:, None] == np.arange(logits.shape[1])
    average_precision, area = rank_scores(present.ravel(), odds.ravel())
    return {"average_precision_score": average_precision, "AUC": area}


def _confusion_matrix(scored: Scored, ours: dict[str, Any]) -> dict[str, Any]:
    matrix = (
        ours["confusion_matrix"]
        if scored.task == MULTICLASS
        else [_two_by_two(row) for row in ours["per_class"].values()]
    )
    return _schema("confusion_matrix", "1.0.0", {"class_labels": list(scored.labels.names), "matrix": matrix})


def _two_by_two(row: dict[str, Any]) -> list[list[int]]:
    """[[TN, FP], [FN, TP]] of a label's row."""
    hits = 0 if row["recall"] is None else round(row["recall"] * row["support"])
    wrong, missed = row["predicted"] - hits, row["support"] - hits
    return [[row["known"] - hits - wrong - missed, wrong], [missed, hits]]


def accuracy_table(scored: Scored, logits: NDArray[Any]) -> dict[str, Any]:
    """TP, FP, TN and FN of each class against the rest, at 100 probabilities from 0 to 1, and at 100 percentiles of
    all probabilities. Predicted is what lies at the threshold or above."""
    if scored.task == MULTICLASS:
        known = scored.targets >= 0
        probabilities = np.exp(log_softmax(logits[known]))
        present = scored.targets[known][:, None] == np.arange(logits.shape[1])
        counted = np.ones(present.shape, dtype=np.bool_)
    else:
        probabilities, present, counted = sigmoid(logits), scored.targets == 1, scored.targets >= 0
    even = np.linspace(0.0, 1.0, POINTS)
    percentiles = np.percentile(probabilities[counted], even * 100)
    return _schema(
        "accuracy_table",
        "1.0.1",
        {
            "probability_tables": _tables(probabilities, present, counted, even),
            "percentile_tables": _tables(probabilities, present, counted, percentiles),
            "probability_thresholds": even.tolist(),
            "percentile_thresholds": percentiles.tolist(),
            "class_labels": list(scored.labels.names),
        },
    )


def _tables(
    probabilities: NDArray[np.float64],
    present: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    thresholds: NDArray[np.float64],
) -> list[list[list[int]]]:
    """For each class a row for each threshold: TP, FP, TN, FN."""
    tables = []
    for i in range(probabilities.shape[1]):
        rows = counted[:, i]
        own, true = probabilities[rows, i], present[rows, i]
        missed = np.searchsorted(np.sort(own[true]), thresholds, side="left")
        below = np.searchsorted(np.sort(own[~true]), thresholds, side="left")
        hits, wrong = true.sum() - missed, (~true).sum() - below
        tables.append(np.stack([hits, wrong, below, missed], axis=1).tolist())
    return tables


def _schema(kind: str, version: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"schema_type": kind, "schema_version": version, "data": data}
