"""Where a thing is and how it is turned."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def turn(axis: int, angle: float) -> Array:
    """The (3, 3) rotation by `angle` radians about axis 0, 1 or 2."""
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[i, i] = matrix[j, j] = cos
    matrix[i, j], matrix[j, i] = -sin, sin
    return matrix


@dataclass(frozen=True)
class Frame:
    """A turned and moved system of axes.

    Args:
        rotation: (3, 3); columns are this frame's axes as the outside sees them.
        origin: (3,) in cm.
    """

    rotation: Array = field(default_factory=lambda: np.eye(3))
    origin: Array = field(default_factory=lambda: np.zeros(3))

    def inside(self, outer: Frame) -> Frame:
        """This frame, given within `outer`, as the world sees it."""
        return Frame(outer.rotation @ self.rotation, outer.to_world(self.origin[None])[0])

    def to_world(self, points: Array) -> Array:
        """Points (N, 3) of this frame in the world."""
        return points @ self.rotation.T + self.origin

    def to_local(self, point: Array) -> Array:
        """A world point (3,) in this frame."""
        local: Array = self.rotation.T @ (point - self.origin)
        return local

    def directions_to_local(self, directions: Array) -> Array:
        """World directions (3, …) in this frame."""
        return _turned(self.rotation.T, directions)

    def directions_to_world(self, directions: Array) -> Array:
        """Directions (3, …) of this frame in the world."""
        return _turned(self.rotation, directions)


def dot(first: Array, second: Array) -> Array:
    """Products (N, …) of vectors (3, N, …), or of one (3,) with many."""
    return np.asarray(first[0] * second[0] + first[1] * second[1] + first[2] * second[2])


def _turned(matrix: Array, directions: Array) -> Array:
    # Written out: a matrix product may round differently from machine to machine.
    return np.stack([dot(row, directions) for row in matrix.astype(np.float32)])
