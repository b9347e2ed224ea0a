"""Arithmetic that gives the same numbers on every machine.

Adding, multiplying, dividing and square roots are rounded exactly by IEEE 754, as long as nobody changes their order;
sines come from a table that is rounded to far fewer bits than any two libraries disagree in, and random numbers from
integers. So an image's pixels depend on nothing but what names it: not on the machine, its threads, or the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_TURN = 4096
_SINES = np.array([round(math.sin(2 * math.pi * step / _TURN) * 2**20) / 2**20 for step in range(_TURN)], np.float32)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def sine(turns: np.ndarray) -> np.ndarray:
    """Of an angle in full turns, to the 4,096th part of one.

    >>> sine(np.array([0.0, 0.25, 0.75])).tolist()
    [0.0, 1.0, -1.0]
    """
    steps = np.floor(turns * _TURN).astype(np.int64) & (_TURN - 1)
    sines: np.ndarray = _SINES[steps]
    return sines


def cosine(turns: np.ndarray) -> np.ndarray:
    """Of an angle in full turns."""
    return sine(turns + 0.25)


def uniform(seed: int, stream: int, names: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Random numbers by name: what a row gets depends on its own name alone.

    Args:
        seed: Of the whole.
        stream: What the numbers are for, so that two uses of one name do not share them.
        names: Arrays (rows,) of whole numbers, together the name of each row.
        columns: How many numbers a row gets.
    Returns:
        (rows, columns) float32 in [0, 1).

    Source: SplitMix64 (Steele, Lea and Flood, 2014), with the name mixed into its state.

    >>> row = np.array([7])
    >>> bool((uniform(0, 1, [row], 3) == uniform(0, 1, [np.array([5, 7])], 3)[1:]).all())
    True
    """
    with np.errstate(over="ignore"):
        state = _mixed(np.full(len(names[0]), seed, dtype=np.uint64)) + np.uint64(stream)
        for name in names:
            state = _mixed(state * _GOLDEN + name.astype(np.uint64))
        steps = np.arange(1, columns + 1, dtype=np.uint64) * _GOLDEN
        bits = _mixed(state[:, None] + steps)
    return (bits >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def between(numbers: np.ndarray, low: float, high: float) -> np.ndarray:
    """Numbers in [0, 1) spread over a range."""
    spread: np.ndarray = np.float32(low) + numbers * np.float32(high - low)
    return spread


def _mixed(state: np.ndarray) -> np.ndarray:
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    mixed: np.ndarray = state ^ (state >> np.uint64(31))
    return mixed
