"""Can a probability be taken at its word? Of images with 0.8, eight in ten should be right.

Temperature scaling (Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks") divides logits by
one number: the order of the classes stays, the probabilities move towards or away from certainty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.evaluation.cross_fitting import folds_of, held_out
from finetune.metrics.definitions import MULTICLASS
from finetune.metrics.scores import log_softmax, sigmoid

BINS = 15
_STRENGTHS = (-4.0, 4.0)
"""Logarithms of the lowest and the highest temperature."""

Floats = NDArray[np.float64]
Together = Sequence[int] | NDArray[Any] | None


def fit_temperature(task_name: str, logits: NDArray[Any], targets: NDArray[Any]) -> Floats:
    """The temperature with the lowest loss on these images.

    A few images that are all right would have probabilities of 1, which nobody should believe; so the logarithm of the
    temperature is expected to be near 0 (a standard normal prior), which counts as much as about one image.

    Args:
        task_name: multiclass or multilabel.
        logits, targets: As of `finetune.metrics.score_metrics`, finite.
    Returns:
        (1,) for multiclass, (classes,) for multilabel; 1 where nothing is known.
    """
    if task_name == MULTICLASS:
        known = targets >= 0
        return np.array([_of_softmax(np.asarray(logits, dtype=np.float64)[known], targets[known])])
    columns = zip(np.asarray(logits, dtype=np.float64).T, targets.T, strict=True)
    return np.array([_of_sigmoid(scores[present >= 0], present[present >= 0] == 1) for scores, present in columns])


def cross_fitted(task_name: str, logits: NDArray[Any], targets: NDArray[Any], together: Together = None) -> Floats:
    """Logits (images, classes), each divided by the temperature that the images of other folds give."""
    scaled = np.array(logits, dtype=np.float64)
    for others, fold in held_out(folds_of(targets, together)):
        scaled[fold] /= fit_temperature(task_name, logits[others], targets[others])
    return scaled


def reliability(task_name: str, logits: NDArray[Any], targets: NDArray[Any], names: Sequence[str]) -> dict[str, Any]:
    """How probabilities compare with how often they come true.

    Args:
        task_name, logits, targets: As of `fit_temperature`.
        names: The classes.
    Returns:
        ``ece``, the expected calibration error; ``bins``, a row for each of 15 equal ranges of probability that holds
        anything: ``low``, ``high``, ``count``, ``probability`` (its mean) and ``share`` that came true. multiclass:
        of each image the highest probability, and whether that class is the true one. multilabel: every known cell,
        and whether the label is present; ``per_class`` has ``ece`` and ``bins`` of each class.
    """
    if task_name == MULTICLASS:
        known = targets >= 0
        probabilities = np.exp(log_softmax(np.asarray(logits)[known]))
        return binned(probabilities.max(axis=1), probabilities.argmax(axis=1) == targets[known])
    probabilities, known = sigmoid(np.asarray(logits)), targets >= 0
    rows = {name: binned(probabilities[known[:, i], i], targets[known[:, i], i] == 1) for i, name in enumerate(names)}
    return {**binned(probabilities[known], targets[known] == 1), "per_class": rows}


def binned(probability: Floats, true: NDArray[np.bool_]) -> dict[str, Any]:
    """``ece`` and ``bins`` of probabilities of events, some of which came true.

    Of two events with 0.9, one came true (off by 0.4), of one with 0.1 none (off by 0.1):

    >>> found = binned(np.array([0.9, 0.9, 0.1]), np.array([True, False, False]))
    >>> round(found["ece"], 4), [(row["count"], row["share"]) for row in found["bins"]]
    (0.3, [(1, 0.0), (2, 0.5)])
    """
    if not len(probability):
        return {"ece": None, "bins": []}
    place = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    said, came = np.bincount(place, probability, BINS), np.bincount(place, true.astype(np.float64), BINS)
    rows = [
        {
            "low": i / BINS,
            "high": (i + 1) / BINS,
            "count": int(count[i]),
            "probability": float(said[i] / count[i]),
            "share": float(came[i] / count[i]),
        }
        for i in np.flatnonzero(count)
    ]
    return {"ece": float(np.abs(said - came).sum() / len(probability)), "bins": rows}


def _of_softmax(logits: Floats, targets: NDArray[Any]) -> float:
    rows = np.arange(len(targets))
    return _lowest(lambda scale: float(-log_softmax(logits * scale)[rows, targets].sum())) if len(targets) else 1.0


def _of_sigmoid(logits: Floats, present: NDArray[np.bool_]) -> float:
    def loss(scale: float) -> float:
        return float((np.logaddexp(0.0, logits * scale) - logits * scale * present).sum())

    return _lowest(loss) if len(present) else 1.0


def _lowest(loss: Callable[[float], float]) -> float:
    """The temperature with the lowest loss, which is convex in one over it, prior included near its minimum."""
    from scipy.optimize import minimize_scalar

    def penalised(log_temperature: float) -> float:
        return float(loss(float(np.exp(-log_temperature))) + log_temperature**2 / 2)

    found = minimize_scalar(penalised, bounds=_STRENGTHS, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))
