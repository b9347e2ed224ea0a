"""From the curve of a range test to a learning rate."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

BETA = 0.9
"""Weight of the past in the smoothed loss: the loss of the last ten steps or so."""
CLEAR = 0.05
"""A descent is clear from this share of the loss at the start, if noise alone does not make it."""
FIRST = 10
"""Steps whose mean is the loss at the start; the smoothed loss of fewer is too noisy to be a bottom."""


class Suggestion(NamedTuple):
    """A learning rate or None, and a sentence on how that came about."""

    learning_rate: float | None
    note: str


def smoothed(losses: Sequence[float], beta: float = BETA) -> list[float]:
    """Exponential running mean, free of the bias towards its start at 0 (Kingma and Ba, 2015, section 3).

    >>> smoothed([2.0, 2.0, 2.0])
    [2.0, 2.0, 2.0]
    """
    mean, curve = 0.0, []
    for count, loss in enumerate(losses, start=1):
        mean = beta * mean + (1 - beta) * loss
        curve.append(round(mean / (1 - beta**count), 12))
    return curve


def suggest(rates: Sequence[float], losses: Sequence[float]) -> Suggestion:
    """The rate in the middle of the descent of the smoothed loss, on the logarithmic scale.

    Args:
        rates: Rising.
        losses: Of each step; noisy.
    Source: Smith's "where the accuracy rises", in the form of fastai's suggestion ``valley``: the middle of the way
        down. The way down is told by levels here, not by the longest falling subsequence, which noise on a plateau
        draws out.
    """
    curve = smoothed(losses)
    if len(curve) < FIRST:
        return Suggestion(None, f"only {len(curve)} of {len(rates)} steps had a loss; start from a lower rate")
    level, bottom = statistics.fmean(losses[:FIRST]), min(curve[FIRST - 1 :])
    drop, noise = level - bottom, noise_of(losses[: max(2 * FIRST, curve.index(bottom) + 1)])
    if drop < max(CLEAR * level, 4 * noise):
        fell = f"the loss fell by {max(drop, 0.0):.2g} from {level:.3g}, and noise alone is {noise:.1g}"
        return Suggestion(None, f"no clear descent: {fell}; try more steps, or keep the preset's rate")
    start, end = descent(curve, level, bottom)
    return Suggestion(_rounded(rates[(start + end) // 2]), f"the middle of a descent from {level:.3g} to {bottom:.3g}")


def descent(curve: Sequence[float], level: float, bottom: float) -> tuple[int, int]:
    """Steps between which a smoothed loss falls from a tenth below its level at the start to a tenth above its bottom.

    A running mean shows a fall ``BETA / (1 - BETA)`` steps after it; that is taken off.
    """
    tenth, lag = (level - bottom) / 10, round(BETA / (1 - BETA))
    end = next(place for place, value in enumerate(curve) if value <= bottom + tenth)
    start = max((place for place in range(end) if curve[place] >= level - tenth), default=0)
    return max(0, start - lag), max(0, end - lag)


def noise_of(losses: Sequence[float]) -> float:
    """Standard deviation of the descent that comes from the batches alone.

    That of a step is taken from differences between neighbours, which a slow descent hardly touches. The loss at the
    start is the mean of `FIRST` of them, and the running mean keeps ``(1 - BETA) / (1 + BETA)`` of their variance.
    """
    if len(losses) < 3:
        return 0.0
    of_step = statistics.stdev(after - before for before, after in itertools.pairwise(losses)) / math.sqrt(2)
    return of_step * math.sqrt(1 / FIRST + (1 - BETA) / (1 + BETA))


def _rounded(rate: float) -> float:
    """To two digits: the curve does not know more."""
    return float(f"{rate:.1e}")
