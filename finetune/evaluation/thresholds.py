"""From which probability a label is predicted, and below which a model rather says nothing.

Both are tuned on validation images by cross-fitting. A threshold that looks best on a few images often is no better
than 0.5 on others; so a class keeps 0.5 unless thresholds that were tuned without an image decide it better, and what
is gained is measured in folds that had no part in any of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.evaluation.cross_fitting import folds_of, held_out
from finetune.metrics.scores import sigmoid
from finetune.model.decision import UNTUNED

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Together = Sequence[int] | NDArray[Any] | None


# ---------------------------------------------------------------- several labels an image: F1


def tune_thresholds(logits: NDArray[Any], targets: NDArray[Any], together: Together = None) -> Floats:
    """For each class the probability from which it is predicted, so that its F1 is high.

    In each of five folds the threshold with the highest F1 on the other folds is found, and decides the fold. If all
    folds' decisions together have a higher F1 than 0.5 gives, the class gets the mean of the five thresholds (in
    logits), else 0.5.

    Args:
        logits: (images, classes), calibrated.
        targets: (images, classes): 1 present, 0 absent, -1 nobody knows.
        together: As of `folds_of`.
    Returns:
        (classes,) probabilities; 0.5 for a class that is present on none or all of the images, or not improved.
    Source: Lewis, Yang, Rose and Li 2004 (RCV1), SCutFBR; Fan and Lin 2007, "A study on threshold selection for
        multi-label classification".
    """
    logits, folds = np.asarray(logits, dtype=np.float64), folds_of(targets, together)
    return sigmoid(np.array([_tune_class(logits[:, i], targets[:, i], folds) for i in range(logits.shape[1])]))


def cross_fitted_thresholds(logits: NDArray[Any], targets: NDArray[Any], together: Together = None) -> Floats:
    """(images, classes): for each image the thresholds that `tune_thresholds` finds without its fold."""
    found = np.full(logits.shape, UNTUNED)
    for others, fold in held_out(folds_of(targets, together)):
        apart = None if together is None else np.asarray(together)[others]
        found[fold] = tune_thresholds(logits[others], targets[others], apart)
    return found


def best_threshold(logits: Floats, present: Mask) -> float:
    """The threshold, as a logit, with the highest F1 on these images.

    It lies midway between two scores; 0, the untuned one, is taken where it is as good.

    >>> best_threshold(np.array([3.0, 1.0, -1.0, -3.0]), np.array([True, True, True, False]))
    -2.0
    >>> best_threshold(np.array([3.0, 1.0, -1.0, -3.0]), np.array([True, True, False, False]))
    0.0
    """
    order = np.argsort(-logits, kind="stable")
    scores, hits = logits[order], np.cumsum(present[order])
    last = np.flatnonzero(np.append(np.diff(scores) != 0, True))  # equal scores are decided alike
    f1 = 2 * hits[last] / (last + 1 + present.sum())
    if _f1(logits >= 0.0, present) >= f1.max():
        return 0.0
    end = int(last[int(f1.argmax())])
    return float(scores[end] if end + 1 == len(scores) else (scores[end] + scores[end + 1]) / 2)


def _tune_class(logits: Floats, targets: NDArray[Any], folds: NDArray[np.int64]) -> float:
    """The threshold of one class, as a logit."""
    known = targets >= 0
    logits, present, folds = logits[known], targets[known] == 1, folds[known]
    if present.all() or not present.any():
        return 0.0
    thresholds, decided = [], np.zeros(len(present), dtype=np.bool_)
    for others, fold in held_out(folds):
        tuned = best_threshold(logits[others], present[others]) if present[others].any() else 0.0
        thresholds.append(tuned)
        decided[fold] = logits[fold] >= tuned
    better = bool(thresholds) and _f1(decided, present) > _f1(logits >= 0.0, present)
    return float(np.mean(thresholds)) if better else 0.0


def _f1(decided: Mask, present: Mask) -> float:
    return float(2 * (decided & present).sum() / max(1, decided.sum() + present.sum()))


# ---------------------------------------------------------------- one label an image: abstaining


def tune_abstention(confidence: Floats, right: Mask, together: Together = None) -> float:
    """The highest probability below which a model had better say nothing.

    A right answer counts 1, a wrong one -1, none 0: it abstains where it is wrong more often than right, which is
    Chow's rule for an abstention that costs half a mistake. As in `tune_thresholds` five folds must agree that this
    gains something.

    Args:
        confidence: (images,) highest probability of each image.
        right: (images,) whether that class is the true one.
        together: As of `folds_of`.
    Returns:
        0, never abstain, where nothing is gained.
    Source: Chow 1970, "On optimum recognition error and reject tradeoff".
    """
    tuned, decided = [], np.zeros(len(right), dtype=np.bool_)
    for others, fold in held_out(folds_of(right.astype(np.int64), together)):
        tuned.append(best_abstention(confidence[others], right[others]))
        decided[fold] = confidence[fold] >= tuned[-1]
    gained = bool(tuned) and net(decided, right) > net(np.ones(len(right), dtype=np.bool_), right)
    return float(np.mean(tuned)) if gained else 0.0


def cross_fitted_abstention(confidence: Floats, right: Mask, together: Together = None) -> Floats:
    """(images,): for each image the threshold that `tune_abstention` finds without its fold."""
    found = np.zeros(len(right))
    for others, fold in held_out(folds_of(right.astype(np.int64), together)):
        apart = None if together is None else np.asarray(together)[others]
        found[fold] = tune_abstention(confidence[others], right[others], apart)
    return found


def best_abstention(confidence: Floats, right: Mask) -> float:
    """The threshold with the most right answers less wrong ones; of equally good ones the lowest.

    >>> best_abstention(np.array([0.9, 0.8, 0.4, 0.3]), np.array([True, True, False, False])).__round__(2)
    0.6
    """
    order = np.argsort(confidence, kind="stable")
    scores, gain = confidence[order], np.where(right[order], 1, -1)
    first = np.flatnonzero(np.append(True, np.diff(scores) != 0))
    kept = gain.sum() - np.append(0, np.cumsum(gain))[first]  # gain of answering from here up
    best = int(first[int(kept.argmax())])
    return 0.0 if best == 0 else float((scores[best - 1] + scores[best]) / 2)


def net(decided: Mask, right: Mask) -> float:
    """Right answers less wrong ones, as a share of all images."""
    return float(np.where(decided, np.where(right, 1.0, -1.0), 0.0).mean()) if len(right) else 0.0
