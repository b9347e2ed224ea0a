"""Outlines that are turned to make bottles, cans and bowls."""

from __future__ import annotations

import numpy as np

from finetune.data.bundled.fridge.frames import Array


def curve(points: list[tuple[float, float]], steps: int = 5) -> Array:
    """A smooth line (K, 2) through `points` of radius and height (Catmull-Rom), `steps` pieces between two points."""
    knots = np.array([points[0], *points, points[-1]])
    pieces = []
    for before, start, end, after in zip(knots, knots[1:], knots[2:], knots[3:], strict=False):
        for t in np.arange(steps) / steps:
            cubic = 3 * (start - end) + after - before
            square = 2 * before - 5 * start + 4 * end - after
            pieces.append(start + 0.5 * t * (end - before + t * (square + t * cubic)))
    return np.array([*pieces, points[-1]])
