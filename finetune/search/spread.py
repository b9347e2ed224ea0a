"""Mean and interval of metrics over repeated measurements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

CONFIDENCE = 0.95


def mean_and_interval(
    measured: Sequence[Mapping[str, Any]],
) -> tuple[dict[str, float | None], dict[str, list[float] | None]]:
    """Of each metric its mean and its 95 % interval, ``[low, high]``.

    The interval is Student's, mean ± t(0.975, n - 1) · s / √n. It speaks of how the metric varies over models and
    test sets of this size. Training sets of folds overlap, so their scores are not independent and the interval is
    somewhat too narrow; there is no unbiased estimate of that (Bengio and Grandvalet, JMLR 2004).

    Args:
        measured: At least two of what `finetune.metrics.score_metrics` returned.
    Returns:
        The numbers; None for a metric that has no value in one of them.
    """
    keys = [key for key, value in measured[0].items() if value is None or isinstance(value, float)]
    columns = {key: [one.get(key) for one in measured] for key in keys}
    whole = {key: None if None in values else [float(v or 0.0) for v in values] for key, values in columns.items()}
    mean = {key: None if values is None else math.fsum(values) / len(values) for key, values in whole.items()}
    return mean, {key: None if values is None else t_interval(values) for key, values in whole.items()}


def t_interval(values: Sequence[float]) -> list[float]:
    """Student's 95 % interval of the mean of at least two values.

    >>> [round(end, 4) for end in t_interval([1.0, 2.0, 3.0])]
    [-0.4841, 4.4841]
    """
    from scipy.stats import t

    mean = math.fsum(values) / len(values)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
    half = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * deviation / math.sqrt(len(values))
    return [mean - half, mean + half]
