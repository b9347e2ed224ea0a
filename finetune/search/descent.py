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
    """The rate at which the loss is half of its way down.

    Args:
        rates: Rising.
        losses: Of each step; noisy.
    Source: the idea of fastai's suggestions ``valley`` (the middle of the longest descent) and ``steep`` (its steepest
        step), told by levels, which noise on a plateau moves less than either.
    """
    curve = smoothed(losses)
    if len(curve) < FIRST:
        return Suggestion(None, f"only {len(curve)} of {len(rates)} steps had a loss; start from a lower rate")
    level, bottom = statistics.fmean(losses[:FIRST]), min(curve[FIRST - 1 :])
    drop, noise = level - bottom, noise_of(losses[: max(2 * FIRST, curve.index(bottom) + 1)])
    if drop < max(CLEAR * level, 4 * noise):
        fell = f"the loss fell by {max(drop, 0.0):.2g} from {level:.3g}, and noise alone is {noise:.1g}"
        return Suggestion(None, f"no clear descent: {fell}; try more steps, or keep the preset's rate")
    halfway = half_way_down(losses[: curve.index(bottom) + 1], level)
    return Suggestion(
        _rounded(rates[halfway]), f"where the loss is half of the way down from {level:.3g} to {bottom:.3g}"
    )


def half_way_down(losses: Sequence[float], level: float) -> int:
    """The last step at which a loss that falls has at least half of its way before it.

    It is smoothed forwards and backwards, and the mean taken: a running mean alone shows a fall too late.

    >>> half_way_down([2.0] * 20 + [1.0] * 20, level=2.0)
    19
    """
    backwards = smoothed(losses[::-1])[::-1]
    curve = [(before + after) / 2 for before, after in zip(smoothed(losses), backwards, strict=True)]
    half = (level + min(curve)) / 2
    return max((place for place, value in enumerate(curve) if value >= half), default=0)


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
