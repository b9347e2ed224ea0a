"""Metrics of any number of labels an image: sigmoid logits and 1, 0 or -1 (nobody knows) to numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import jaccard_score, precision_recall_fscore_support

from finetune.metrics.names import metric_names
from finetune.metrics.ranking import auroc, average_precision, mean
from finetune.metrics.scores import Floats, sigmoid

Mask = NDArray[np.bool_]
PER_CLASS = ("known", "support", "predicted", "precision", "recall", "f1", "iou", "average_precision", "auroc")
_DECIDED = ("precision", "recall", "f1", "iou")


def multilabel_metrics(
    logits: NDArray[Any], targets: NDArray[np.int8], names: Sequence[str], threshold: float = 0.5
) -> dict[str, Any]:
    """All metrics of a multi-label split.

    Args:
        logits: (images, classes).
        targets: (images, classes): 1 present, 0 absent, -1 nobody knows.
        names: One name per class.
        threshold: Probability from which (inclusive) a label is predicted.
    Returns:
        Key to float or None (see the README beside this file), ``images``, ``images_not_finite`` and ``per_class``.
        With no known cell, or a logit that is NaN or infinite, everything but the counts is None.
    """
    some = (targets >= 0).any(axis=1)
    if not some.all():
        logits, targets = logits[some], targets[some]
    known, present = targets >= 0, targets == 1
    not_finite = int((~np.isfinite(logits).all(axis=1)).sum())
    counts = {"images": len(targets), "images_not_finite": not_finite}
    per_class: dict[str, list[Any]] = {key: [None] * len(names) for key in PER_CLASS}
    per_class |= {"known": known.sum(axis=0).tolist(), "support": present.sum(axis=0).tolist()}
    values: dict[str, float | None] = dict.fromkeys(metric_names("multilabel"))
    if len(targets) and not not_finite:
        # An unknown cell counts as neither present nor predicted: precision, recall, F1 and IoU do not see it.
        predicted = (sigmoid(logits) >= threshold) & known
        per_class |= {"predicted": predicted.sum(axis=0).tolist(), **_class_decisions(present, predicted)}
        per_class |= _class_rankings(logits, present, known)
        values |= _cell_scores(logits, present, known, predicted)
        values |= _means(per_class) | _micro(present, predicted) | _samples(present, predicted)
    return {
        **counts,
        **values,
        "per_class": {name: {key: per_class[key][i] for key in PER_CLASS} for i, name in enumerate(names)},
    }


def _cell_scores(logits: NDArray[Any], present: Mask, known: Mask, predicted: Mask) -> dict[str, float | None]:
    """What is counted over cells, and over images as a whole."""
    scores, positive = logits[known], present[known]
    return {
        "loss": _binary_cross_entropy(scores, positive),
        "accuracy": float((predicted == present).all(axis=1).mean()),
        "hamming_accuracy": float((predicted[known] == positive).mean()),
        "mAP_micro": average_precision(positive, scores),
        "auroc_micro": auroc(positive, scores),
    }


def _binary_cross_entropy(logits: NDArray[Any], positive: Mask) -> float:
    exact = logits.astype(np.float64)
    return float((np.logaddexp(0.0, exact) - exact * positive).mean())


def _class_decisions(present: Mask, predicted: Mask) -> dict[str, list[float | None]]:
    """Precision, recall, F1 and IoU of each class."""
    occurs, guessed = present.any(axis=0), predicted.any(axis=0)
    true, chosen = present.astype(np.int8), predicted.astype(np.int8)
    if true.shape[1] == 1:  # scikit-learn reads a single column as two classes, not as one label
        true, chosen = (np.hstack([x, np.zeros_like(x)]) for x in (true, chosen))
    each = precision_recall_fscore_support(true, chosen, average=None, zero_division=0.0)[:3]
    each = (*each, jaccard_score(true, chosen, average=None, zero_division=0.0))
    defined = (occurs | guessed, occurs, occurs, occurs)
    return {key: _where(there, x[: len(occurs)]) for key, there, x in zip(_DECIDED, defined, each, strict=True)}


def _where(defined: Mask, values: Floats) -> list[float | None]:
    return [float(value) if there else None for there, value in zip(defined, values, strict=True)]


def _class_rankings(logits: NDArray[Any], present: Mask, known: Mask) -> dict[str, list[float | None]]:
    """Average precision and AUROC of each class, over the images where it is known."""
    ranks: dict[str, list[float | None]] = {"average_precision": [], "auroc": []}
    for class_id in range(present.shape[1]):
        rows = known[:, class_id]
        positive, scores = present[rows, class_id], logits[rows, class_id]
        ranks["average_precision"].append(average_precision(positive, scores))
        ranks["auroc"].append(auroc(positive, scores))
    return ranks


def _means(per_class: dict[str, list[Any]]) -> dict[str, float | None]:
    """Means over the classes that occur."""
    support = per_class["support"]
    occurs = [i for i, count in enumerate(support) if count]
    weights = [support[i] for i in occurs]
    means = {}
    for key, name in [*((key, key) for key in _DECIDED), ("average_precision", "mAP"), ("auroc", "auroc")]:
        column = [per_class[key][i] for i in occurs]
        means["mAP" if name == "mAP" else f"{name}_macro"] = mean(column)
        means[f"{name}_weighted"] = mean(column, weights)
    return means


def _micro(present: Mask, predicted: Mask) -> dict[str, float | None]:
    """All cells together. Nothing to find and nothing found has no value."""
    both = int((present & predicted).sum())
    true, chosen = int(present.sum()), int(predicted.sum())
    return {
        "precision_micro": both / chosen if chosen else (0.0 if true else None),
        "recall_micro": both / true if true else None,
        "f1_micro": 2 * both / (true + chosen) if true else None,
        "iou_micro": both / (true + chosen - both) if true else None,
    }


def _samples(present: Mask, predicted: Mask) -> dict[str, float | None]:
    """Means over images; one without labels that gets none is right and counts 1, else 0/0 counts 0."""
    both = (present & predicted).sum(axis=1)
    true, chosen = present.sum(axis=1), predicted.sum(axis=1)
    either = true + chosen - both
    right = np.where(either == 0, 1.0, 0.0)
    ratios = {
        "precision": (both, chosen),
        "recall": (both, true),
        "f1": (2 * both, true + chosen),
        "iou": (both, either),
    }
    return {
        f"{key}_samples": float(np.divide(top, bottom, out=right.copy(), where=bottom > 0).mean())
        for key, (top, bottom) in ratios.items()
    }
