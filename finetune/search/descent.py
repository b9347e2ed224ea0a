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
"""A descent is clear from this share of the first loss."""


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
    """The rate in the middle of the longest descent of the smoothed loss.

    Args:
        rates: Rising.
        losses: Of each step; noisy.
    Source: fastai's ``lr_find`` with its suggestion ``valley``, which stands steps of noise better than the single
        steepest one (``steep``).
    """
    curve = smoothed(losses)
    if len(curve) < 3:
        return Suggestion(None, f"only {len(curve)} steps had a loss; start from a lower rate")
    start, end = longest_descent(curve)
    drop, noise = curve[start] - curve[end], noise_of(losses[: end + 1])
    if drop < max(CLEAR * curve[0], 2 * noise):
        fell = f"the loss fell by {max(drop, 0.0):.3g} from {curve[0]:.3g} (noise {noise:.2g})"
        return Suggestion(None, f"no clear descent: {fell}; try more --steps, or keep the preset's rate")
    middle = start + (end - start) // 3 + (end - start) // 6
    return Suggestion(_rounded(rates[middle]), f"the middle of a descent from {curve[start]:.3g} to {curve[end]:.3g}")


def longest_descent(curve: Sequence[float]) -> tuple[int, int]:
    """First and last place of the longest falling subsequence; of several, the first that is complete.

    >>> longest_descent([3.0, 3.5, 2.0, 2.5, 1.0, 4.0])
    (0, 4)
    """
    length, start = [1] * len(curve), list(range(len(curve)))
    for here, value in enumerate(curve):
        for before in range(here):
            if curve[before] > value and length[before] + 1 > length[here]:
                length[here], start[here] = length[before] + 1, start[before]
    end = max(range(len(curve)), key=lambda place: (length[place], -place))
    return start[end], end


def noise_of(losses: Sequence[float], beta: float = BETA) -> float:
    """Standard deviation of the smoothed loss that comes from the batches alone: of differences between neighbours,
    which a slow descent hardly touches, times what smoothing leaves of it."""
    if len(losses) < 3:
        return 0.0
    steps = [after - before for before, after in itertools.pairwise(losses)]
    return statistics.stdev(steps) / math.sqrt(2) * math.sqrt((1 - beta) / (1 + beta))


def _rounded(rate: float) -> float:
    """To two digits: the curve does not know more."""
    return float(f"{rate:.1e}")
