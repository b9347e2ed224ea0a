"""Fractals of random contractions, dotted by the chaos game, after FractalDB (Kataoka et al., 2020)."""

from __future__ import annotations

import numpy as np

from finetune.data.formula.exact import between, cosine, sine, uniform
from finetune.data.formula.paint import blend, dotted, two_colours

_CLASS, _INSTANCE, _GAME = 41, 42, 43
_MAPS, _WALKERS, _SETTLING, _STEPS = 5, 64, 15, 48
_LEAST_SHARE = np.float32(0.02)  # a map that flattens everything still gets points
_DENSEST = 3  # points on a pixel from which it is fully covered


def draw_fractals(seed: int, classes: np.ndarray, instances: np.ndarray, size: int) -> np.ndarray:
    """A class is two to five contracting maps; an instance turns and moves each of them a little, and has its own size,
    place and colours.

    Returns:
        (n, 3, size, size) float32 in [0, 255].
    """
    own = uniform(seed, _INSTANCE, [classes, instances], 2 * _MAPS + 11)
    look = own[:, 2 * _MAPS :]
    x, y = _played(seed, classes, instances, own)
    sizes = between(look[:, 0, None], 0.7, 1.0)
    reach = np.maximum(np.maximum(_span(x)[1], _span(y)[1]), np.float32(1e-6))
    x, y = (
        ((points - _span(points)[0]) / reach * sizes + between(look[:, place, None], 0.42, 0.58)) * np.float32(size)
        for points, place in ((x, 1), (y, 2))
    )
    coverage = np.minimum(dotted(x, y, size), _DENSEST).astype(np.float32) / np.float32(_DENSEST)
    thing, ground = two_colours(look[:, 3:9], white_on_black=look[:, 9] < 0.3)
    return blend(coverage, thing, ground)


def _played(seed: int, classes: np.ndarray, instances: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, points) x and y of walkers that take one of the maps at each step, by chance."""
    maps, shares = _maps(uniform(seed, _CLASS, [classes], 1 + 6 * _MAPS), own)
    n, rows, steps = len(classes), _MAPS * np.arange(len(classes))[:, None], _SETTLING + _STEPS
    chances = uniform(seed, _GAME, [classes, instances], _WALKERS * steps).reshape(n, _WALKERS, steps)
    x, y, seen = np.zeros((n, _WALKERS), np.float32), np.zeros((n, _WALKERS), np.float32), []
    for step in range(steps):
        taken = rows + (chances[:, :, step, None] >= shares[:, None, :-1]).sum(axis=2)
        xx, xy, yx, yy, right, down = (part.take(taken) for part in maps)
        x, y = xx * x + xy * y + right, yx * x + yy * y + down
        if step >= _SETTLING:
            seen.append((x, y))
    return np.concatenate([x for x, _ in seen], axis=1), np.concatenate([y for _, y in seen], axis=1)


def _maps(shape: np.ndarray, own: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Six numbers (n, maps) of each map, and (n, maps) cumulated chances, by area."""
    part = [shape[:, 1 + _MAPS * place : 1 + _MAPS * (place + 1)] for place in range(6)]
    moved = between(own[:, : 2 * _MAPS], -0.03, 0.03)
    turn, wide, high = part[0] + moved[:, :_MAPS], between(part[1], 0.3, 0.85), between(part[2], 0.3, 0.85)
    xx, xy, yx, yy = cosine(turn) * wide, -sine(turn) * high, sine(turn) * wide, cosine(turn) * high
    right, down = between(part[4], -1.0, 1.0) + moved[:, _MAPS:], between(part[5], -1.0, 1.0)
    count = 2 + np.floor(shape[:, 0, None] * (_MAPS - 1))
    shares = np.where(np.arange(_MAPS) < count, np.abs(xx * yy - xy * yx) + _LEAST_SHARE, np.float32(0))
    cumulated = np.cumsum(shares, axis=1)
    return [xx, xy, yx, yy, right, down], cumulated / cumulated[:, -1:]


def _span(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 1) middle and length of the span that holds all points but a fiftieth at each end."""
    ordered = np.sort(points, axis=1)
    tail = points.shape[1] // 50
    low, high = ordered[:, tail, None], ordered[:, -tail - 1, None]
    return (low + high) / 2, high - low
