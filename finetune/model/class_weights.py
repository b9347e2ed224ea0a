"""How much each class counts, from the recipe and from how often the class occurs among the training images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from finetune.errors import RecipeError, did_you_mean
from finetune.labels import LabelSpace

if TYPE_CHECKING:
    from finetune.recipe.sections import Loss

Numbers = tuple[float, ...]


class Occurrence(NamedTuple):
    """How often each class occurs among the training images.

    Args:
        present: (classes,) images of the class.
        absent: (classes,) images that are known not to be of it.
        terms: (classes,) how many terms of the loss the weight of the class applies to: its images (multiclass),
            or its known cells (multilabel).
    """

    present: np.ndarray
    absent: np.ndarray
    terms: np.ndarray


def count_classes(truth: np.ndarray, classes: int) -> Occurrence:
    """Count (images,) class ids, or (images, classes) cells of 1 present, 0 absent and -1 unknown."""
    if truth.ndim == 1:
        present = np.bincount(truth, minlength=classes)
        return Occurrence(present, len(truth) - present, present)
    present, absent = (truth == 1).sum(axis=0), (truth == 0).sum(axis=0)
    return Occurrence(present, absent, present + absent)


def choose_class_weights(loss: Loss, labels: LabelSpace | None, truth: np.ndarray | None) -> Numbers | None:
    """``loss.class_weights`` as a number per class, None where all count the same.

    balanced: proportional to 1 / n, n the training images of the class. effective_number: proportional to
    (1 - b) / (1 - b^n), which is near 1 / n while n is far below 1 / (1 - b), and levels off above. Both are
    scaled so that the weights of all terms of the loss, which are as many as the training images (multiclass) or their
    known cells (multilabel), have the mean 1: a learning rate keeps its meaning. A class without training images
    has nothing to balance and weighs 1. Weights by name are taken as they are, 1 for a class that is left out.

    Args:
        labels, truth: The classes, and the targets of the training images.
    Raises:
        RecipeError: a name is no class.
        ValueError: labels or truth are missing and needed.
    Source: balanced is scikit-learn's ``compute_class_weight`` (multiclass). effective_number is Cui et al.,
        "Class-Balanced Loss Based on Effective Number of Samples", 2019, which scales to the mean 1 over classes.
    """
    if loss.class_weights is None:
        return None
    if isinstance(loss.class_weights, dict):
        return _by_name("loss.class_weights", loss.class_weights, _needed(labels, "loss.class_weights"))
    occurrence = _occurrence("loss.class_weights", labels, truth)
    n = np.maximum(occurrence.present, 1).astype(np.float64)
    beta = loss.effective_number_beta
    weights = 1.0 / n if loss.class_weights == "balanced" else (1.0 - beta) / -np.expm1(n * np.log(beta))
    return _with_mean_1(weights, occurrence)


def choose_pos_weight(loss: Loss, labels: LabelSpace | None, truth: np.ndarray | None) -> Numbers | None:
    """``loss.pos_weight`` as a number per class, None where present and absent labels count the same.

    balanced: absent over present images, among those where the class is known; 1 where either is missing, for the
    other must still be learnt. Numbers are taken as they are, 1 for a class that is left out by name.

    Args, Raises: as of ``choose_class_weights``.
    """
    if loss.pos_weight is None:
        return None
    if isinstance(loss.pos_weight, dict):
        return _by_name("loss.pos_weight", loss.pos_weight, _needed(labels, "loss.pos_weight"))
    if isinstance(loss.pos_weight, float):
        return (loss.pos_weight,) * len(_needed(labels, "loss.pos_weight"))
    present, absent, _ = _occurrence("loss.pos_weight", labels, truth)
    both = (present > 0) & (absent > 0)
    return _numbers(np.where(both, absent / np.maximum(present, 1), 1.0))


def _with_mean_1(weights: np.ndarray, occurrence: Occurrence) -> Numbers:
    occurs = occurrence.present > 0
    terms = occurrence.terms[occurs]
    if not terms.sum():
        return (1.0,) * len(weights)
    return _numbers(np.where(occurs, weights * (terms.sum() / (terms * weights[occurs]).sum()), 1.0))


def _by_name(key: str, given: Mapping[str, float], labels: LabelSpace) -> Numbers:
    faults = [
        f"{key}.{name}: not among the {len(labels)} classes of the data{did_you_mean(name, labels.names)}"
        for name in given
        if name not in labels
    ]
    if faults:
        raise RecipeError(faults)
    return _numbers(given.get(name, 1.0) for name in labels.names)


def _occurrence(key: str, labels: LabelSpace | None, truth: np.ndarray | None) -> Occurrence:
    if truth is None:
        raise ValueError(f"{key} is balanced by the training images; give choose_task their targets")
    return count_classes(truth, len(_needed(labels, key)))


def _needed(labels: LabelSpace | None, key: str) -> LabelSpace:
    if labels is None:
        raise ValueError(f"{key} gives a weight to each class; give choose_task the classes")
    return labels


def _numbers(values: Iterable[float]) -> Numbers:
    return tuple(float(value) for value in values)
