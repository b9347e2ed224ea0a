"""Two settings on the same seeds: the difference, and how sure it is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from scipy import stats


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and half of its 95 % interval by Student's t."""
    if len(values) < 2:
        return statistics.fmean(values), math.nan
    half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return statistics.fmean(values), float(half)


def compare(name: str, without: Sequence[float], with_it: Sequence[float]) -> str:
    """One line: both means with their intervals, and the paired difference with its own."""
    difference, half = interval([b - a for a, b in zip(without, with_it, strict=True)])
    sure = "excludes 0" if abs(difference) > half else "includes 0"
    (a, a_half), (b, b_half) = interval(without), interval(with_it)
    return (
        f"{name:28} {a:.3f} ± {a_half:.3f} -> {b:.3f} ± {b_half:.3f}, "
        f"difference {difference:+.3f} ± {half:.3f} ({sure}, {len(without)} seeds)"
    )
