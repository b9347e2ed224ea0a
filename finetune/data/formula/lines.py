"""Open contours: a pen's course as a sum of cosines, written again and again by an unsteady hand."""

from __future__ import annotations

import numpy as np

from finetune.data.formula.exact import between, cosine, sine, uniform
from finetune.data.formula.paint import blend, dotted, grounds, two_colours

_CLASS, _INSTANCE = 1, 2
_WAVES, _POINTS = 5, 384
_STRENGTH = np.array([1.0, 0.9, 0.7, 0.5, 0.35], np.float32)
_UNSTEADY = np.float32(0.16)  # of a wave's strength, from one instance to the next
_COURSE = np.stack([cosine(wave * np.arange(_POINTS) / (2 * (_POINTS - 1))) for wave in range(1, _WAVES + 1)])
_NARROWEST = np.float32(0.35)  # of the longer side: a course is stretched to its box, but a straight one stays straight


def draw_lines(seed: int, classes: np.ndarray, instances: np.ndarray, size: int) -> np.ndarray:
    """A class is a course of the pen; an instance has its own hand, slant, size, place, pen and colours.

    Returns:
        (n, 3, size, size) float32 in [0, 255].
    """
    own = uniform(seed, _INSTANCE, [classes, instances], 46)
    x, y = _written(uniform(seed, _CLASS, [classes], 2 * _WAVES), own[:, :16], size)
    thing, ground = two_colours(own[:, 16:22], white_on_black=own[:, 22] < 0.4)
    behind = np.broadcast_to(ground[:, :, None, None], (len(own), 3, size, size)).astype(np.float32)
    patterned = np.flatnonzero(own[:, 23] >= 0.7)
    behind[patterned] = (behind[patterned] + grounds(own[patterned, 24:35], size)) * np.float32(0.5)
    return blend(_inked(x, y, np.floor(own[:, 35] * 4).astype(int), size), thing, behind)


def _written(course: np.ndarray, own: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, points) x and y in pixels."""
    waves = (course.reshape(-1, 2, _WAVES) * 2 - 1) * _STRENGTH
    shaken = waves + (own[:, :10].reshape(-1, 2, _WAVES) * 2 - 1) * _STRENGTH * _UNSTEADY
    low, high = _ends(_summed(waves))
    span = high - low
    span = np.maximum(np.maximum(span, _NARROWEST * span.max(axis=1, keepdims=True)), np.float32(1e-6))
    x, y = np.moveaxis((_summed(shaken) - (low + high) / 2) / span, 1, 0)
    column = [own[:, place, None] for place in range(10, 16)]
    x = x + between(column[1], -0.25, 0.25) * y
    turn = between(column[0], -0.05, 0.05)
    x, y = cosine(turn) * x - sine(turn) * y, sine(turn) * x + cosine(turn) * y
    x = x * between(column[2], 0.5, 0.85) + between(column[4], 0.42, 0.58)
    y = y * between(column[3], 0.6, 0.95) + between(column[5], 0.42, 0.58)
    return x * np.float32(size), y * np.float32(size)


def _summed(waves: np.ndarray) -> np.ndarray:
    """(n, 2, points): the waves added in their order."""
    total = np.zeros((len(waves), 2, _POINTS), np.float32)
    for wave in range(_WAVES):
        total += waves[:, :, wave, None] * _COURSE[wave]
    return total


def _ends(course: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return course.min(axis=2, keepdims=True), course.max(axis=2, keepdims=True)


def _inked(x: np.ndarray, y: np.ndarray, pen: np.ndarray, size: int) -> np.ndarray:
    """(n, size, size) coverage in [0, 1] of a square pen of 3, 5, 7 or 9 half pixels, its edges softened."""
    marks = (dotted(x * 2, y * 2, 2 * size) > 0).astype(np.uint8)
    for radius in range(1, 5):
        wider = pen >= radius - 1
        marks[wider] = _grown(marks[wider])
    quarters = marks.reshape(len(x), size, 2, size, 2).astype(np.int32)
    cells = quarters[:, :, 0, :, 0] + quarters[:, :, 0, :, 1] + quarters[:, :, 1, :, 0] + quarters[:, :, 1, :, 1]
    return _nine(cells).astype(np.float32) / np.float32(36)


def _grown(marks: np.ndarray) -> np.ndarray:
    """Every mark covers its eight neighbours too."""
    for axis in (1, 2):
        padded = np.pad(marks, [(0, 0), *((int(axis == a),) * 2 for a in (1, 2))])
        there = np.moveaxis(padded, axis, 0)
        marks = np.moveaxis(np.maximum(np.maximum(there[:-2], there[1:-1]), there[2:]), 0, axis)
    return marks


def _nine(cells: np.ndarray) -> np.ndarray:
    """The sum over each pixel and its eight neighbours."""
    for axis in (1, 2):
        there = np.moveaxis(np.pad(cells, [(0, 0), *((int(axis == a),) * 2 for a in (1, 2))]), axis, 0)
        cells = np.moveaxis(there[:-2] + there[1:-1] + there[2:], 0, axis)
    return cells
