"""Closed contours, filled: a radius that waves around the circle, after Visual Atoms (Takashima et al., 2023)."""

from __future__ import annotations

import functools
import math

import numpy as np

from finetune.data.formula.exact import between, cosine, sine, uniform
from finetune.data.formula.paint import blend
from finetune.data.formula.scene import Pose, scene

_CLASS, _SCENE = 10, 11
_ANGLES, _WAVES = 1024, 7
_TURNS = np.arange(_ANGLES, dtype=np.float32) / np.float32(_ANGLES)


def draw_solids(seed: int, classes: np.ndarray, instances: np.ndarray, size: int) -> np.ndarray:
    """A class is a contour with its pattern; an instance has its own place, size, turn, colours, light and ground.

    Returns:
        (n, 3, size, size) float32 in [0, 255].
    """

    def layer(stream: int, kinds: np.ndarray, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
        shape, own = uniform(seed, _CLASS, [kinds], 40), uniform(seed, stream, [kinds, instances], 7 + _WAVES)
        return _solid(shape, own, pose, size)

    return scene(seed, _SCENE, classes, instances, size, layer)


def _solid(shape: np.ndarray, own: np.ndarray, pose: Pose, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Coverage and surface."""
    radii = _radii(shape, own[:, 7:])
    angle, distance = _around(np.floor(pose.middle).astype(int), size)
    angle = (angle + np.floor(pose.turn * _ANGLES).astype(np.int64)[:, None, None]) & (_ANGLES - 1)
    edge = np.take_along_axis(radii, angle.reshape(len(radii), -1), axis=1).reshape(angle.shape)
    edge = edge * pose.reach[:, None, None]
    coverage = np.clip(edge - distance + np.float32(0.5), 0, 1)
    depth = np.clip(distance / np.maximum(edge, np.float32(1e-6)), 0, 1)
    return coverage, _surface(depth, angle, shape, own)


def _radii(shape: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(n, angles) radius of the contour, the largest 1: a few waves on an ellipse."""
    radii: np.ndarray = np.ones((len(shape), _ANGLES), np.float32)
    for wave in range(1, _WAVES + 1):
        strength = shape[:, wave] * shape[:, wave] * np.float32(0.9 / (1 + 0.35 * wave))
        strength = np.where(shape[:, wave + 8] < 0.45, strength, 0) * between(own[:, wave - 1], 0.8, 1.2)
        radii = radii + strength[:, None].astype(np.float32) * cosine(_TURNS * wave + shape[:, wave + 16, None])
    radii = np.maximum(radii, np.float32(0.15))
    stretch = between(shape[:, 31, None], 1.0, 2.6)
    across, along = cosine(_TURNS)[None], stretch * sine(_TURNS)[None]
    radii = radii / np.sqrt(across * across + along * along)
    radii /= radii.max(axis=1, keepdims=True)
    return radii


def _surface(depth: np.ndarray, angle: np.ndarray, shape: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Two colours in the class's rings and sectors, darker towards the edge."""
    rings, sectors = (np.floor(shape[:, place, None, None] * kinds) for place, kinds in ((32, 5), (34, 4)))
    ringed = (rings > 0) & (sine(depth * rings * np.float32(0.5) + shape[:, 35, None, None]) > 0)
    cut = (sectors > 1) & (sine(angle / np.float32(_ANGLES) * sectors * 2) > 0)
    colours = own[:, :6] * np.float32(255)
    light = 1 - (1 - between(own[:, 6, None, None], 0.5, 1.0)) * depth * depth
    picture = blend((ringed ^ cut).astype(np.float32), colours[:, 3:], colours[:, :3])
    picture *= light[:, None]
    return picture


def _around(centre: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, size, size) of every pixel: the angle seen from the centre, and the distance in pixels."""
    angles, distances = _polar(size)
    columns, rows = (np.arange(size)[None] - centre[:, place, None] + size for place in (0, 1))
    at = rows[:, :, None], columns[:, None, :]
    return angles[at], distances[at]


@functools.cache
def _polar(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Angle in 1,024ths of a turn and length of every way of up to ``size`` pixels left, right, up and down."""
    ways = np.arange(-size, size + 1)
    turns = [[round(math.atan2(y, x) / math.tau * _ANGLES) % _ANGLES for x in ways.tolist()] for y in ways.tolist()]
    lengths = np.sqrt((ways[None, :] ** 2 + ways[:, None] ** 2).astype(np.float32))
    return np.array(turns, dtype=np.int64), lengths
