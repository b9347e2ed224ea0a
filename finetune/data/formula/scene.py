"""A thing on a ground, with small things of no class beside it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from finetune.data.formula.exact import uniform
from finetune.data.formula.paint import blend, grounds

Layer = Callable[[int, np.ndarray, tuple[float, float], float], tuple[np.ndarray, np.ndarray]]
"""Stream, classes, scale and how far off the centre, to coverage (n, size, size) and picture (n, 3, size, size)."""


_STRANGERS = 10_000_000  # classes from here on are nobody's label
_SMALL, _ANYWHERE = (0.1, 0.3), 0.47
_LARGE, _ABOUT_THE_MIDDLE = (0.3, 0.95), 0.29
_BESIDE = 2
_CHANCE = 0.45  # of each of the things beside


def scene(seed: int, stream: int, classes: np.ndarray, instances: np.ndarray, size: int, layer: Layer) -> np.ndarray:
    """Pictures of a thing each.

    Args:
        seed, stream: Of the random numbers.
        classes, instances: (n,) names of the pictures.
        size: Side in pixels.
        layer: Draws things by their classes: sizes as shares of half the side, places within a share of the side.
    Returns:
        (n, 3, size, size) float32 in [0, 255].
    """
    numbers = uniform(seed, stream, [classes, instances], 11 + 2 * _BESIDE)
    picture = grounds(numbers[:, :11], size)
    for place in range(_BESIDE):
        which, chance = numbers[:, 11 + 2 * place], numbers[:, 12 + 2 * place]
        strangers = _STRANGERS + np.floor(which * 1_000_000).astype(np.int64)
        coverage, surface = layer(stream + 1 + 3 * place, strangers, _SMALL, _ANYWHERE)
        there = (chance < _CHANCE).astype(np.float32)
        picture = blend(coverage * there[:, None, None], surface, picture)
    return blend(*layer(stream + 1 + 3 * _BESIDE, classes, _LARGE, _ABOUT_THE_MIDDLE), picture)
