"""Metrics of one label an image: softmax logits and class ids to numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, matthews_corrcoef, precision_recall_fscore_support

from finetune.metrics.names import metric_names
from finetune.metrics.ranking import auroc, average_precision, mean
from finetune.metrics.scores import Floats, log_softmax, softmax_log_odds

Ids = NDArray[np.int64]
PER_CLASS = ("support", "predicted", "precision", "recall", "f1", "average_precision", "auroc")


def multiclass_metrics(logits: NDArray[Any], targets: Ids, names: Sequence[str], top_k: int = 5) -> dict[str, Any]:
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
    """
    known = targets >= 0
    if not known.all():
        logits, targets = logits[known], targets[known]
    k = min(top_k, len(names))
    not_finite = int((~np.isfinite(logits).all(axis=1)).sum())
    counts = {"images": len(targets), "images_not_finite": not_finite}
    support = np.bincount(targets, minlength=len(names))
    if not_finite or not len(targets):
        return _unmeasured(counts, names, support.tolist(), k)
    log_probabilities = log_softmax(logits)
    matrix = confusion_matrix(targets, logits.argmax(axis=1), labels=np.arange(len(names)))
    classes, means = _decision_scores(matrix)
    ranks = _ranking_scores(softmax_log_odds(log_probabilities), targets, support)
    losses = -log_probabilities[np.arange(len(targets)), targets]
    values = {
        "loss": float(losses.mean()),
        "accuracy": float(np.trace(matrix) / matrix.sum()),
        f"top{k}_accuracy": _top_k_accuracy(logits, targets, k),
        "balanced_accuracy": means["recall_macro"],
        **means,
        **_ranking_means(ranks, support.tolist()),
        "log_loss": float(np.minimum(losses, -np.log(np.finfo(np.float64).eps)).mean()),
        "mcc": _mcc(matrix),
    }
    rows = {**classes, **ranks}
    return {
        **counts,
        **{key: values[key] for key in metric_names("multiclass", k)},
        "per_class": {name: {key: rows[key][i] for key in PER_CLASS} for i, name in enumerate(names)},
        "confusion_matrix": matrix.tolist(),
    }


def _unmeasured(counts: dict[str, int], names: Sequence[str], support: list[int], k: int) -> dict[str, Any]:
    nothing = dict.fromkeys(PER_CLASS)
    return {
        **counts,
        **dict.fromkeys(metric_names("multiclass", k)),
        "per_class": {name: {**nothing, "support": support[i]} for i, name in enumerate(names)},
        "confusion_matrix": None,
    }


def _pairs(matrix: NDArray[np.int64]) -> tuple[Ids, Ids, NDArray[np.int64]]:
    """The confusion matrix as distinct (true, predicted) pairs and how often each occurs.

    scikit-learn takes them with sample_weight and gets the same result as from the images, in a time that does not
    grow with their number.
    """
    true, predicted = np.nonzero(matrix)
    return true, predicted, matrix[true, predicted]


def _decision_scores(matrix: NDArray[np.int64]) -> tuple[dict[str, list[Any]], dict[str, float]]:
    """Precision, recall and F1 of each class, and their means over the classes that occur."""
    true, predicted, weight = _pairs(matrix)
    support, guesses = matrix.sum(axis=1), matrix.sum(axis=0)
    scores = {"sample_weight": weight, "zero_division": 0.0}
    labels = np.arange(len(matrix))
    each = precision_recall_fscore_support(true, predicted, labels=labels, average=None, **scores)[:3]
    means = {}
    for average in ("macro", "micro", "weighted"):
        chosen = labels if average == "micro" else labels[support > 0]
        found = precision_recall_fscore_support(true, predicted, labels=chosen, average=average, **scores)[:3]
        means.update(
            {f"{name}_{average}": float(x) for name, x in zip(("precision", "recall", "f1"), found, strict=True)}
        )
    occurs, guessed = support > 0, guesses > 0
    return {
        "support": support.tolist(),
        "predicted": guesses.tolist(),
        "precision": _where(occurs | guessed, each[0]),
        "recall": _where(occurs, each[1]),
        "f1": _where(occurs, each[2]),
    }, means


def _where(defined: NDArray[np.bool_], values: Floats) -> list[float | None]:
    return [float(value) if there else None for there, value in zip(defined, values, strict=True)]


def _ranking_scores(scores: Floats, targets: Ids, support: Ids) -> dict[str, list[float | None]]:
    """Each class against the rest."""
    ranks: dict[str, list[float | None]] = {"average_precision": [], "auroc": []}
    for class_id in range(len(support)):
        positive = targets == class_id
        ranks["average_precision"].append(average_precision(positive, scores[:, class_id]))
        ranks["auroc"].append(auroc(positive, scores[:, class_id]))
    return ranks


def _ranking_means(ranks: dict[str, list[float | None]], support: list[int]) -> dict[str, float | None]:
    return {
        "mAP": mean(ranks["average_precision"]),
        "mAP_weighted": mean(ranks["average_precision"], support),
        "auroc_macro": mean(ranks["auroc"]),
        "auroc_weighted": mean(ranks["auroc"], support),
    }


def _top_k_accuracy(logits: NDArray[Any], targets: Ids, k: int) -> float:
    own = logits[np.arange(len(targets)), targets][:, None]
    tie_before = (logits == own) & (np.arange(logits.shape[1]) < targets[:, None])
    better = (logits > own).sum(axis=1) + tie_before.sum(axis=1)
    return float((better < k).mean())


def _mcc(matrix: NDArray[np.int64]) -> float | None:
    if (matrix.sum(axis=1) > 0).sum() < 2:
        return None
    true, predicted, weight = _pairs(matrix)
    return float(matthews_corrcoef(true, predicted, sample_weight=weight))
