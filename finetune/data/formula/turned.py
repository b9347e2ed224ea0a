"""Turned things: a profile that is the same on both sides of an axis, as that of bottles, cans and vases."""

from __future__ import annotations

import numpy as np

from finetune.data.formula.exact import between, cosine, sine, uniform
from finetune.data.formula.paint import blend
from finetune.data.formula.scene import Pose, scene

_CLASS, _SCENE = 21, 22
_RINGS, _PARTS = 128, 5  # heights at which a profile is known, and parts that it is made of
_MARK_ROWS, _MARK_COLUMNS = 12, 10
_CELLS = _MARK_ROWS * _MARK_COLUMNS
_PRINTED = 0.33  # of the cells
_OF_GLASS, _WITH_FLAT_SIDES = 0.25, 0.3  # of the classes


def draw_turned(seed: int, classes: np.ndarray, instances: np.ndarray, size: int) -> np.ndarray:
    """A class is a profile with bands; an instance stands or lies at its own place and size, in its own colours and
    light, with marks on its bands as of print.

    Returns:
        (n, 3, size, size) float32 in [0, 255].
    """

    def layer(stream: int, kinds: np.ndarray, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
        shape, own = uniform(seed, _CLASS, [kinds], 24), uniform(seed, stream, [kinds, instances], 15 + _PARTS + _CELLS)
        return _thing(shape, own, pose, size)

    return scene(seed, _SCENE, classes, instances, size, layer)


def _thing(shape: np.ndarray, own: np.ndarray, pose: Pose, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Coverage and surface; some classes are of glass, and some have two flat sides instead of a round one."""
    widths, bands = _profile(shape, own[:, 15 : 15 + _PARTS])
    across, along = _ways(pose, size)
    reach = pose.reach[:, None, None]
    ring = np.clip(np.floor((along + 1) * np.float32(_RINGS / 2)), 0, _RINGS - 1).astype(np.int64)
    width, band = (_at(table, ring) for table in (widths, bands))
    sides = np.clip((width - np.abs(across)) * reach + np.float32(0.5), 0, 1)
    ends = np.clip((1 - np.abs(along)) * reach + np.float32(0.5), 0, 1)
    round_it = np.clip(across / np.maximum(width, np.float32(1e-6)), -1, 1)
    opaque = np.where(shape[:, 23] < _OF_GLASS, between(own[:, 14], 0.45, 0.8), np.float32(1))
    printed = (own[:, 15 + _PARTS :] < _PRINTED).astype(np.float32)
    surface = _surface(band, _marks(printed, ring, round_it), own)
    surface *= _light(round_it, shape[:, 22] < _WITH_FLAT_SIDES, own)[:, None]
    return sides * ends * opaque[:, None, None], surface


def _ways(pose: Pose, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, size, size) of every pixel: how far it is from the axis, and along it, in half heights of the thing."""
    turn, reach = pose.turn[:, None, None], pose.reach[:, None, None]
    pixel = np.arange(size, dtype=np.float32) + np.float32(0.5)
    right = (pixel[None, None, :] - pose.middle[:, 0, None, None]) / reach
    down = (pixel[None, :, None] - pose.middle[:, 1, None, None]) / reach
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


def _surface(band: np.ndarray, marks: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Three colours in bands, and print on the last kind."""
    colours = own[:, :12].reshape(-1, 4, 3) * np.float32(255)
    picture = blend((band >= 1).astype(np.float32), colours[:, 1], colours[:, 0])
    picture = blend((band >= 2).astype(np.float32), colours[:, 2], picture)
    return blend((band >= 2) * marks, colours[:, 3], picture)


def _light(round_it: np.ndarray, flat: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(n, size, size) that falls from one side: less and less around a thing, or all at once at a box's edge."""
    edge = between(own[:, 12, None, None], -0.5, 0.5)
    away = round_it - edge
    shade = np.where(flat[:, None, None], away > 0, np.minimum(away * away, 1)).astype(np.float32)
    light: np.ndarray = 1 - between(own[:, 13, None, None], 0.1, 0.5) * shade
    return light


def _at(tables: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Each row's table, (n, entries), at its own places, (n, height, width)."""
    return np.take_along_axis(tables, places.reshape(len(places), -1), axis=1).reshape(places.shape)
