"""Turned things: a profile that is the same on both sides of an axis, as that of bottles, cans and vases."""

from __future__ import annotations

import numpy as np

from finetune.data.formula.exact import between, cosine, sine, uniform
from finetune.data.formula.paint import blend
from finetune.data.formula.scene import scene

_CLASS, _SCENE = 21, 22
_RINGS, _PARTS = 128, 5  # heights at which a profile is known, and parts that it is made of
_MARK_ROWS, _MARK_COLUMNS = 12, 10
_CELLS = _MARK_ROWS * _MARK_COLUMNS
_PRINTED, _OF_GLASS = 0.33, 0.25  # shares of the cells, and of the classes


def draw_turned(seed: int, classes: np.ndarray, instances: np.ndarray, size: int) -> np.ndarray:
    """A class is a profile with bands; an instance stands or lies at its own place and size, in its own colours and
    light, with marks on its bands as of print.

    Returns:
        (n, 3, size, size) float32 in [0, 255].
    """

    def layer(
        stream: int, kinds: np.ndarray, scale: tuple[float, float], off_centre: float
    ) -> tuple[np.ndarray, np.ndarray]:
        shape, own = uniform(seed, _CLASS, [kinds], 24), uniform(seed, stream, [kinds, instances], 20 + _PARTS)
        printed = uniform(seed, stream + 1, [kinds, instances], _CELLS) < _PRINTED
        return _thing(shape, own, printed.astype(np.float32), size, scale, off_centre)

    return scene(seed, _SCENE, classes, instances, size, layer)


def _thing(
    shape: np.ndarray, own: np.ndarray, printed: np.ndarray, size: int, scale: tuple[float, float], off_centre: float
) -> tuple[np.ndarray, np.ndarray]:
    """Coverage and surface; a quarter of the classes is of glass."""
    widths, bands = _profile(shape, own[:, 20:])
    reach = between(own[:, 0, None, None], *scale) * np.float32(size / 2)
    across, along = (way / reach for way in _ways(own, size, off_centre))
    ring = np.clip(np.floor((along + 1) * np.float32(_RINGS / 2)), 0, _RINGS - 1).astype(np.int64)
    width, band = (_at(table, ring) for table in (widths, bands))
    sides = np.clip((width - np.abs(across)) * reach + np.float32(0.5), 0, 1)
    ends = np.clip((1 - np.abs(along)) * reach + np.float32(0.5), 0, 1)
    round_it = np.clip(across / np.maximum(width, np.float32(1e-6)), -1, 1)
    opaque = np.where(shape[:, 23] < _OF_GLASS, between(own[:, 19], 0.45, 0.8), np.float32(1))
    surface = _surface(band, _marks(printed, ring, round_it), round_it, own)
    return sides * ends * opaque[:, None, None], surface


def _ways(own: np.ndarray, size: int, off_centre: float) -> tuple[np.ndarray, np.ndarray]:
    """(n, size, size) of every pixel: how far it is from the axis, and along it, in pixels. Most things stand."""
    turn = np.where(own[:, 3] < 0.65, between(own[:, 4], -0.03, 0.03), own[:, 4])[:, None, None]
    middle = between(own[:, 1:3], 0.5 - off_centre, 0.5 + off_centre) * np.float32(size)
    pixel = np.arange(size, dtype=np.float32) + np.float32(0.5)
    right, down = pixel[None, None, :] - middle[:, 0, None, None], pixel[None, :, None] - middle[:, 1, None, None]
    return cosine(turn) * right + sine(turn) * down, cosine(turn) * down - sine(turn) * right


def _profile(shape: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, rings) half widths in units of the half height, and (n, rings) which of three colours a ring has."""
    share = shape[:, :_PARTS] + np.float32(0.15)
    ends = np.cumsum(share, axis=1) / np.cumsum(share, axis=1)[:, -1:]
    begins = np.concatenate([np.zeros((len(shape), 1), np.float32), ends[:, :-1]], axis=1)
    heights = ((np.arange(_RINGS, dtype=np.float32) + np.float32(0.5)) / np.float32(_RINGS))[None, :, None]
    inside = (heights >= begins[:, None]) & (heights < ends[:, None])
    way = np.clip((heights - begins[:, None]) / (ends - begins)[:, None], 0, 1)
    wide = between(shape[:, 5 : 5 + _PARTS], 0.25, 1.0) * between(own, 0.9, 1.1)
    next_wide = np.where(shape[:, 10 : 10 + _PARTS] < 0.6, wide, np.roll(wide, -1, axis=1))  # straight, or towards it
    widths = np.where(inside, wide[:, None] + way * (next_wide - wide)[:, None], np.float32(0)).max(axis=2)
    widths = widths / widths.max(axis=1, keepdims=True) * between(shape[:, 15, None], 0.3, 0.85)
    kinds = np.floor(shape[:, 16 : 16 + _PARTS] * 3)
    return widths, np.where(inside, kinds[:, None], np.float32(0)).max(axis=2)


def _marks(printed: np.ndarray, ring: np.ndarray, round_it: np.ndarray) -> np.ndarray:
    """(n, size, size) where print is, which lies in cells around the thing."""
    row = ring * _MARK_ROWS // _RINGS
    column = np.minimum(np.floor((round_it + 1) * np.float32(_MARK_COLUMNS / 2)), _MARK_COLUMNS - 1).astype(np.int64)
    return _at(printed, row * _MARK_COLUMNS + column)


def _surface(band: np.ndarray, marks: np.ndarray, round_it: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Three colours in bands, print on the last kind, and light that falls from one side."""
    colours = own[:, 5:17].reshape(-1, 4, 3) * np.float32(255)
    picture = blend((band >= 1).astype(np.float32), colours[:, 1], colours[:, 0])
    picture = blend((band >= 2).astype(np.float32), colours[:, 2], picture)
    picture = blend((band >= 2) * marks, colours[:, 3], picture)
    away = round_it - between(own[:, 17, None, None], -0.5, 0.5)
    picture *= (1 - between(own[:, 18, None, None], 0.1, 0.5) * np.minimum(away * away, 1))[:, None]
    return picture


def _at(tables: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Each row's table, (n, entries), at its own places, (n, height, width)."""
    return np.take_along_axis(tables, places.reshape(len(places), -1), axis=1).reshape(places.shape)
