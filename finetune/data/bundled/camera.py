"""A pinhole camera. World axes: x to the right, y away from the viewer, z up; lengths in centimetres."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from finetune.data.bundled.frames import Array

WIDTH_PX, HEIGHT_PX = 499, 666


@dataclass(frozen=True)
class Window:
    """A rectangle of whole pixels; `right` and `bottom` are outside it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def empty(self) -> bool:
        return self.right <= self.left or self.bottom <= self.top

    def around(self, points: Array) -> Window:
        """The part of this window that holds `points` (N, 2) with a pixel to spare."""
        low, high = np.floor(points.min(0)).astype(int) - 1, np.ceil(points.max(0)).astype(int) + 2
        return Window(
            max(self.left, int(low[0])),
            max(self.top, int(low[1])),
            min(self.right, int(high[0])),
            min(self.bottom, int(high[1])),
        )


FRAME = Window(0, 0, WIDTH_PX, HEIGHT_PX)


@dataclass(frozen=True)
class Camera:
    """Where the picture is taken from.

    Args:
        position: (3,) in cm.
        axes: (3, 3), rows are right, up and forward.
        focal_px: Focal length in pixels of the picture.
    """

    position: Array
    axes: Array
    focal_px: float

    @classmethod
    def aimed(cls, position: Array, target: Array, roll: float, focal_px: float) -> Camera:
        """A camera at `position` that has `target` in the middle, turned by `roll` radians about its view."""
        forward = (target - position) / math.dist(target, position)
        level = np.cross(forward, [0.0, 0.0, 1.0])
        level /= math.sqrt(float((level * level).sum()))
        above = np.cross(level, forward)
        cos, sin = math.cos(roll), math.sin(roll)
        return cls(position, np.stack([cos * level + sin * above, cos * above - sin * level, forward]), focal_px)

    def project(self, points: Array) -> Array:
        """Points (N, 3) as picture coordinates (N, 2); what is behind the camera is moved just before it."""
        right, up, forward = ((points - self.position) @ self.axes.T).T
        forward = np.maximum(forward, 1.0)
        return np.stack(
            [
                WIDTH_PX / 2 + self.focal_px * right / forward,
                HEIGHT_PX / 2 - self.focal_px * up / forward,
            ],
            axis=1,
        )

    def rays(self, window: Window, per_px: int) -> Array:
        """Directions (3, rows, columns) through a window, `per_px` in each direction; one long along the view."""
        steps_x = (np.arange(window.left * per_px, window.right * per_px) + 0.5) / per_px
        steps_y = (np.arange(window.top * per_px, window.bottom * per_px) + 0.5) / per_px
        x = (steps_x - WIDTH_PX / 2) / self.focal_px
        y = (HEIGHT_PX / 2 - steps_y) / self.focal_px
        right, up, forward = self.axes
        return np.stack([forward[i] + right[i] * x[None, :] + up[i] * y[:, None] for i in range(3)]).astype(np.float32)
