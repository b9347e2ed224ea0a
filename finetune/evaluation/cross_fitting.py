"""Folds of one split, so that what is tuned on its images can be measured on images that did not tune it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.data.stratify import Unit, stratify_evenly

FOLDS = 5
SEED = 0


def folds_of(targets: NDArray[Any], together: Sequence[int] | NDArray[Any] | None = None) -> NDArray[np.int64]:
    """Which fold each image is in, every class spread evenly over them.

    Args:
        targets: As of `finetune.metrics.score_metrics`.
        together: (images,) numbers; images of one number stay in one fold, see `finetune.data.Splits.together`.
    Returns:
        (images,) from 0 to below 5, or below the number of images that may be parted where that is less.
    """
    labels = [np.flatnonzero(row == 1) for row in targets] if targets.ndim == 2 else [[i] for i in targets]
    group_of = np.arange(len(targets)) if together is None else np.unique(together, return_inverse=True)[1]
    groups: list[list[int]] = [[] for _ in range(int(group_of.max(initial=-1)) + 1)]
    for image, group in enumerate(group_of):
        groups[group].append(image)
    order = np.random.default_rng(SEED).permutation(len(groups))
    units = [_unit(members, labels, int(place)) for members, place in zip(groups, order, strict=True)]
    classes = targets.shape[1] if targets.ndim == 2 else int(targets.max(initial=-1)) + 1
    found = stratify_evenly(units, max(1, min(FOLDS, len(units))), classes)
    return np.asarray(found, dtype=np.int64)[group_of]


def held_out(fold_of: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """For each fold, which images are in the others and which in it; nothing where there is one fold."""
    numbers = np.unique(fold_of)
    if len(numbers) > 1:
        yield from ((fold_of != number, fold_of == number) for number in numbers)


def _unit(members: list[int], labels: Sequence[Any], order: int) -> Unit:
    ids = [int(label) for image in members for label in labels[image] if label >= 0]
    return Unit(order, len(members), tuple((label, ids.count(label)) for label in sorted(set(ids))))
