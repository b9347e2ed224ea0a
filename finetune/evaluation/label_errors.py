"""Which labels are perhaps wrong, by what a model says that did not learn from them.

Source: Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty in dataset labels". An image
counts for a class with confidence if the class's probability is at least its mean over the images that are labelled so.
Where that class is not the label, the label is suspected.

A weak model is often confidently wrong. So its probabilities are calibrated first (temperatures are cross-fitted), and
a suspicion is told only where the label is more likely wrong than right, if one image in twenty has a wrong one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.evaluation.calibration import cross_fitted
from finetune.metrics.definitions import MULTICLASS
from finetune.metrics.ranking import rank_scores
from finetune.metrics.scores import log_softmax, sigmoid

ASSUMED_NOISE = 0.05
"""Share of images with a wrong label that is expected before a model is asked."""
_CLASSES_COMPARED = 100
_CLEARLY_BETTER = 0.2
_FEWEST = 3  # images that look like the other class; of hundreds of classes, two of two are some by chance

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Suspect:
    """An image whose labels are perhaps wrong.

    Args:
        image: Its place in the split.
        given: Class ids of its labels.
        suspected: Class ids that fit better.
        score: Probability that the label is wrong, if one in twenty is; of several labels the highest.
    """

    image: int
    given: tuple[int, ...]
    suspected: tuple[int, ...]
    score: float


@dataclass(frozen=True)
class SwappedClass:
    """A class most images of which look like another.

    Args:
        given, suspected: Class ids.
        images: How many of its images look like the other.
        of: How many it has.
    """

    given: int
    suspected: int
    images: int
    of: int


def suspects(task_name: str, logits: NDArray[Any], targets: NDArray[Any], together: Any = None) -> list[Suspect]:
    """Images with suspected labels, the most suspicious first.

    Args:
        task_name: multiclass or multilabel.
        logits: (images, classes), of a model that did not learn from these images.
        targets: As of `finetune.metrics.score_metrics`.
        together: As of `finetune.evaluation.cross_fitting.folds_of`.
    """
    if not len(targets) or not np.isfinite(logits).all():
        return []
    calibrated = cross_fitted(task_name, logits, targets, together)
    found = _of_classes(calibrated, targets) if task_name == MULTICLASS else _of_labels(calibrated, targets)
    return sorted(found, key=lambda suspect: (-suspect.score, suspect.image))


def swapped_classes(task_name: str, logits: NDArray[Any], targets: NDArray[Any]) -> list[SwappedClass]:
    """Classes that seem to bear another's name.

    multiclass: more than half of a class's images, at least three, are taken for another class, whose own images are
    most often taken for it. (A weak model takes half of a class for another one easily, but not both ways.)
    multilabel: two classes of which each one's scores rank the other's images clearly better than its own (AUROC
    better by 0.2).

    Args:
        task_name, logits, targets: As of `suspects`.
    """
    if not len(targets) or not np.isfinite(logits).all() or logits.shape[1] < 2:
        return []
    return _taken_for(logits, targets) if task_name == MULTICLASS else _crossed_columns(logits, targets)


def _of_classes(logits: Floats, targets: NDArray[Any]) -> list[Suspect]:
    probabilities = np.exp(log_softmax(logits))
    confident = probabilities >= _mean_of_own(probabilities, targets)
    among = np.where(confident, probabilities, -1.0)
    other, rows = among.argmax(axis=1), np.arange(len(targets))
    own = probabilities[rows, np.maximum(targets, 0)]
    noise = ASSUMED_NOISE / max(1, logits.shape[1] - 1)
    wrong = _wrong(probabilities[rows, other] * noise, own * (1 - ASSUMED_NOISE))
    found = np.flatnonzero((targets >= 0) & confident.any(axis=1) & (other != targets) & (wrong > 0.5))
    return [Suspect(int(i), (int(targets[i]),), (int(other[i]),), float(wrong[i])) for i in found]


def _mean_of_own(probabilities: Floats, targets: NDArray[Any]) -> Floats:
    """For each class the mean of its probability over the images labelled so; above 1 for a class without any."""
    classes = probabilities.shape[1]
    of_class = [probabilities[targets == i, i] for i in range(classes)]
    return np.array([column.mean() if len(column) else 2.0 for column in of_class])


def _of_labels(logits: Floats, targets: NDArray[Any]) -> list[Suspect]:
    """Each label is a question of its own: present or absent."""
    present, wrong = sigmoid(logits), np.zeros(logits.shape)
    noise = ASSUMED_NOISE / logits.shape[1]  # so that one image in twenty has a wrong label, as with one label each
    for i in range(logits.shape[1]):
        yes, no = targets[:, i] == 1, targets[:, i] == 0
        if not yes.any() or not no.any():
            continue
        p, absent = present[:, i], 1 - present[:, i]
        seen, missed = p >= p[yes].mean(), absent >= absent[no].mean()
        wrong[:, i] = np.where(yes & missed, _wrong(absent * noise, p * (1 - noise)), 0.0)
        wrong[:, i] += np.where(no & seen, _wrong(p * noise, absent * (1 - noise)), 0.0)
    found = []
    for image in np.flatnonzero((wrong > 0.5).any(axis=1)):
        given = targets[image] == 1
        better = given ^ (wrong[image] > 0.5)
        found.append(Suspect(int(image), _ids(given), _ids(better), float(wrong[image].max())))
    return found


def _ids(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(mask))


def _wrong(wrong: Floats, right: Floats) -> Floats:
    """Two likelihoods to the probability of the first."""
    return np.asarray(wrong / np.maximum(wrong + right, np.finfo(np.float64).tiny))


def _taken_for(logits: NDArray[Any], targets: NDArray[Any]) -> list[SwappedClass]:
    classes, known = logits.shape[1], targets >= 0
    pairs = targets[known] * classes + logits[known].argmax(axis=1)
    matrix = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
    images = matrix.sum(axis=1)
    shares = matrix / np.maximum(images, 1)[:, None]
    likeliest = shares.argmax(axis=1)
    found = []
    for given, other in enumerate(likeliest):
        taken = matrix[given, other] >= _FEWEST and shares[given, other] > 0.5
        if other != given and taken and likeliest[other] == given:
            found.append(SwappedClass(given, int(other), int(matrix[given, other]), int(images[given])))
    return found


def _crossed_columns(logits: NDArray[Any], targets: NDArray[Any]) -> list[SwappedClass]:
    classes = logits.shape[1]
    if classes > _CLASSES_COMPARED:
        return []
    area = np.full((classes, classes), -1.0)
    for given in range(classes):
        known = targets[:, given] >= 0
        for other in range(classes):
            found = rank_scores(targets[known, given] == 1, logits[known, other])[1]
            area[given, other] = -1.0 if found is None else found
    best = area.argmax(axis=1)
    clear = area[np.arange(classes), best] > np.diag(area) + _CLEARLY_BETTER
    swapped = [i for i in range(classes) if clear[i] and best[i] != i and best[best[i]] == i and clear[best[i]]]
    return [_crossed(i, int(best[i]), logits, targets) for i in swapped]


def _crossed(given: int, other: int, logits: NDArray[Any], targets: NDArray[Any]) -> SwappedClass:
    own = targets[:, given] == 1
    looks_other: Sequence[bool] = logits[own, other] > logits[own, given]
    return SwappedClass(given, other, int(np.sum(looks_other)), int(own.sum()))
