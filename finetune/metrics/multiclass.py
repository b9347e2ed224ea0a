"""Metrics of one label an image: softmax logits and class ids to numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import matthews_corrcoef, precision_recall_fscore_support

from finetune.metrics.classes import images_not_finite, rows_of, where_defined
from finetune.metrics.definitions import DEFAULT_TOP_K, MULTICLASS
from finetune.metrics.inputs import check_top_k, checked_inputs
from finetune.metrics.names import metric_names, per_class_names
from finetune.metrics.ranking import rank_scores, ranking_means
from finetune.metrics.scores import Floats, log_softmax, softmax_log_odds

Ids = NDArray[np.int64]
_LARGEST_LOG_LOSS = -float(np.log(np.finfo(np.float64).eps))


def multiclass_metrics(
    logits: NDArray[Any], targets: Ids, names: Sequence[str], top_k: int = DEFAULT_TOP_K
) -> dict[str, Any]:
    """All metrics of a single-label split.

    Args:
        logits: (images, classes).
        targets: (images,) class ids; -1 where nobody knows, and that image is left out.
        names: One name per class.
        top_k: k of top-k accuracy; at most the number of classes is used.
    Returns:
        Key to float or None (see the README beside this file), ``images``, ``images_not_finite``, ``per_class`` and
        ``confusion_matrix`` (rows true, columns predicted). With no labelled image, or a logit that is NaN or
        infinite, everything but the counts is None.
    Raises:
        DataError: shapes or values do not fit together.
    """
    check_top_k(top_k)
    logits, targets = checked_inputs(MULTICLASS, logits, targets, len(names))
    known = targets >= 0
    if not known.all():
        logits, targets = logits[known], targets[known]
    k = min(top_k, len(names))
    columns: dict[str, Any] = {"support": np.bincount(targets, minlength=len(names)).tolist()}
    values: dict[str, float | None] = dict.fromkeys(metric_names(MULTICLASS, k))
    counts = {"images": len(targets), "images_not_finite": images_not_finite(logits)}
    matrix = None
    if counts["images"] and not counts["images_not_finite"]:
        log_probabilities = log_softmax(logits)
        matrix = _confusion_matrix(targets, logits.argmax(axis=1), len(names))
        columns |= _class_decisions(matrix) | _class_rankings(softmax_log_odds(log_probabilities), targets)
        values |= _losses(log_probabilities, targets) | _decision_means(matrix)
        values[f"top{k}_accuracy"] = _top_k_accuracy(logits, targets, k)
        values |= ranking_means(columns["average_precision"], columns["auroc"], columns["support"])
    return {
        **counts,
        **values,
        "per_class": rows_of(names, columns, per_class_names(MULTICLASS)),
        "confusion_matrix": None if matrix is None else matrix.tolist(),
    }


def _losses(log_probabilities: Floats, targets: Ids) -> dict[str, float | None]:
    losses = -log_probabilities[np.arange(len(targets)), targets]
    return {"loss": float(losses.mean()), "log_loss": float(np.minimum(losses, _LARGEST_LOG_LOSS).mean())}


def _confusion_matrix(targets: Ids, predicted: Ids, classes: int) -> Ids:
    """Rows true, columns predicted, as scikit-learn's, which cannot be kept from warning where there is one class."""
    return np.bincount(targets * classes + predicted, minlength=classes**2).reshape(classes, classes)


def _precision_recall_f1(matrix: Ids, labels: Ids, average: str | None) -> tuple[Any, Any, Any]:
    """scikit-learn's three, from the confusion matrix.

    The matrix goes in as its distinct (true, predicted) pairs and how often each occurs: the same result as from the
    images, in a time that does not grow with their number. Only precision can be 0/0 for a class that occurs, when it
    is never predicted; it counts 0.
    """
    true, predicted = np.nonzero(matrix)
    precision, recall, f1, _ = precision_recall_fscore_support(
        true, predicted, labels=labels, average=average, sample_weight=matrix[true, predicted], zero_division=0.0
    )
    return precision, recall, f1


def _class_decisions(matrix: Ids) -> dict[str, list[Any]]:
    """Precision, recall and F1 of each class."""
    predicted = matrix.sum(axis=0)
    occurs = matrix.sum(axis=1) > 0
    precision, recall, f1 = _precision_recall_f1(matrix, np.arange(len(matrix)), None)
    return {
        "predicted": predicted.tolist(),
        "precision": where_defined(occurs | (predicted > 0), precision),
        "recall": where_defined(occurs, recall),
        "f1": where_defined(occurs, f1),
    }


def _decision_means(matrix: Ids) -> dict[str, float | None]:
    """What follows from decisions alone; macro and weighted over the classes that occur, micro over all."""
    everything = np.arange(len(matrix))
    occurring = np.flatnonzero(matrix.sum(axis=1))
    means: dict[str, float | None] = {"accuracy": float(np.trace(matrix) / matrix.sum()), "mcc": _mcc(matrix)}
    for average, labels in (("macro", occurring), ("micro", everything), ("weighted", occurring)):
        precision, recall, f1 = _precision_recall_f1(matrix, labels, average)
        means |= {
            f"precision_{average}": float(precision),
            f"recall_{average}": float(recall),
            f"f1_{average}": float(f1),
        }
    return {**means, "balanced_accuracy": means["recall_macro"]}


def _mcc(matrix: Ids) -> float | None:
    """Matthews correlation; one class alone correlates with nothing, and scikit-learn would call that 0."""
    if (matrix.sum(axis=1) > 0).sum() < 2:
        return None
    true, predicted = np.nonzero(matrix)
    return float(matthews_corrcoef(true, predicted, sample_weight=matrix[true, predicted]))


def _class_rankings(scores: Floats, targets: Ids) -> dict[str, list[float | None]]:
    """Average precision and AUROC of each class against the rest."""
    found = [rank_scores(targets == class_id, scores[:, class_id]) for class_id in range(scores.shape[1])]
    return {"average_precision": [ap for ap, _ in found], "auroc": [area for _, area in found]}


def _top_k_accuracy(logits: NDArray[Any], targets: Ids, k: int) -> float:
    """Share of images with fewer than k classes before the true one; of equal logits the lower id is before."""
    own = logits[np.arange(len(targets)), targets][:, None]
    equal_before = (logits == own) & (np.arange(logits.shape[1]) < targets[:, None])
    before = ((logits > own) | equal_before).sum(axis=1)
    return float((before < k).mean())
