"""Values of each class, some of which have none: leaving those out of means, and turning columns into rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def where_defined(defined: Iterable[bool], values: Iterable[float]) -> list[float | None]:
    """The values as plain floats, None where a class has no value.

    >>> where_defined([True, False], np.array([0.25, 0.0]))
    [0.25, None]
    """
    return [float(value) if there else None for there, value in zip(defined, values, strict=True)]


def mean(values: Sequence[float | None], weights: Sequence[int] | None = None) -> float | None:
    """Mean of the values that exist, weighted if weights are given; None where none is left.

    >>> mean([0.5, None, 1.0]), mean([0.5, None, 1.0], [3, 9, 1]), mean([None])
    (0.75, 0.625, None)
    """
    there = [(value, 1 if weights is None else weights[i]) for i, value in enumerate(values) if value is not None]
    if not there:
        return None
    return float(np.average([value for value, _ in there], weights=[weight for _, weight in there]))


def rows_of(names: Sequence[str], columns: Mapping[str, Sequence[Any]], keys: Sequence[str]) -> dict[str, Any]:
    """One row a class, in the order of the classes; a column that was not measured is None.

    >>> rows_of(["can", "carton"], {"support": [3, 1]}, ["support", "f1"])
    {'can': {'support': 3, 'f1': None}, 'carton': {'support': 1, 'f1': None}}
    """
    return {name: {key: columns[key][i] if key in columns else None for key in keys} for i, name in enumerate(names)}


def images_not_finite(logits: NDArray[Any]) -> int:
    """How many images have a logit that is NaN or infinite."""
    return int((~np.isfinite(logits).all(axis=1)).sum())
