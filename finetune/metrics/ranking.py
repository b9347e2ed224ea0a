"""Average precision and AUROC of one ranking, and their means over classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score


def average_precision(positive: NDArray[np.bool_], scores: NDArray[Any]) -> float | None:
    """Stepwise average precision, sum of (R_k - R_k-1) * P_k; None where nothing is positive.

    Where everything is positive it is 1, whatever the scores.

    >>> average_precision(np.array([True, False, True]), np.array([3.0, 2.0, 1.0]))  # (1/1 + 2/3) / 2
    0.8333333333333333
    """
    if not positive.any():
        return None
    return float(average_precision_score(positive, scores))


def auroc(positive: NDArray[np.bool_], scores: NDArray[Any]) -> float | None:
    """Probability that a positive ranks above a negative, ties counting half; None unless there are both.

    >>> auroc(np.array([True, False, True]), np.array([3.0, 2.0, 1.0]))
    0.5
    """
    if not positive.any() or positive.all():
        return None
    return float(roc_auc_score(positive, scores))


def mean(values: Sequence[float | None], weights: Sequence[int] | None = None) -> float | None:
    """Mean of the values that exist, weighted if weights are given; None where none is left.

    >>> mean([0.5, None, 1.0]), mean([0.5, None, 1.0], [3, 9, 1]), mean([None])
    (0.75, 0.625, None)
    """
    there = [i for i, value in enumerate(values) if value is not None]
    if not there:
        return None
    kept = [values[i] for i in there]
    return float(
        np.average(np.array(kept, dtype=np.float64), weights=None if weights is None else [weights[i] for i in there])
    )
