"""Colours, coverage and what stands behind a thing."""

from __future__ import annotations

import numpy as np

from finetune.data.formula.exact import between, cosine, sine

CONTRAST = 110.0  # levels of 255 by which the brightness of two colours differs at least


def blend(coverage: np.ndarray, above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """One layer over another.

    Args:
        coverage: (n, height, width) in [0, 1].
        above, below: (n, 3) colours, or (n, 3, height, width) pictures.
    Returns:
        (n, 3, height, width) float32.
    """
    above, below = _picture(above), _picture(below)
    blended: np.ndarray = coverage[:, None] * (above - below)
    blended += below
    return blended


def two_colours(numbers: np.ndarray, white_on_black: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two colours that can be told apart, for a thing and its ground.

    Args:
        numbers: (n, 6) in [0, 1).
        white_on_black: (n,) where the two are just that.
    Returns:
        Each (n, 3) in [0, 255].
    """
    thing, ground = numbers[:, 0:3] * np.float32(255), numbers[:, 3:6] * np.float32(255)
    lead = _brightness(thing) - _brightness(ground)
    short = np.maximum(np.float32(0), np.float32(CONTRAST) - np.abs(lead)) / np.float32(2)
    push = np.where(lead > 0, short, -short)
    plain = white_on_black[:, None]
    thing = np.where(plain, np.float32(255), np.clip(thing + push[:, None], 0, 255))
    ground = np.where(plain, np.float32(0), np.clip(ground - push[:, None], 0, 255))
    return thing, ground


def grounds(numbers: np.ndarray, size: int) -> np.ndarray:
    """What stands behind: one colour, a gradient, stripes, or two halves of which one is striped.

    Args:
        numbers: (n, 11) in [0, 1).
        size: Side in pixels.
    Returns:
        (n, 3, size, size) float32 in [0, 255].
    """
    column = [numbers[:, place, None, None] for place in range(5)]
    along = np.arange(size, dtype=np.float32) / np.float32(size) - np.float32(0.5)
    across = cosine(column[0]) * along[None, None, :] + sine(column[0]) * along[None, :, None]
    stripes = (sine(across * between(column[2], 2.0, 14.0) + column[3]) + 1) * np.float32(0.5)
    halves = (across > between(column[4], -0.2, 0.3)) * between(stripes, 0.6, 1.0)
    kind = np.floor(column[1] * 4)
    mixture = np.select([kind == 0, kind == 1, kind == 2], [np.float32(0), across + np.float32(0.5), stripes], halves)
    colours = numbers[:, 5:11] * np.float32(255)
    return blend(np.clip(mixture, 0, 1).astype(np.float32), colours[:, :3], colours[:, 3:])


def dotted(x: np.ndarray, y: np.ndarray, size: int) -> np.ndarray:
    """How many points fall on each pixel.

    Args:
        x, y: (n, points) in pixels; those outside are left out.
    Returns:
        (n, size, size) whole numbers.
    """
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    flat = (np.arange(len(x))[:, None] * size + row) * size + column
    return np.bincount(flat[inside], minlength=len(x) * size * size).reshape(len(x), size, size)


def _picture(colours: np.ndarray) -> np.ndarray:
    colours = colours.astype(np.float32, copy=False)
    return colours[:, :, None, None] if colours.ndim == 2 else colours


def _brightness(colours: np.ndarray) -> np.ndarray:
    total: np.ndarray = colours[:, 0] + colours[:, 1] + colours[:, 2]
    total /= np.float32(3)
    return total
