"""A pinhole camera. World axes: x to the right, y away from the viewer, z up; lengths in centimetres."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from finetune.data.bundled.fridge.frames import Array, Frame

WIDTH_PX, HEIGHT_PX = 499, 666
PER_PX = 2  # rays per pixel, across and down


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

    def within(self, outer: Window, per_px: int) -> tuple[slice, slice]:
        """Rows and columns of this window in an array of `outer` that holds `per_px` values per pixel and direction."""
        return (
            slice((self.top - outer.top) * per_px, (self.bottom - outer.top) * per_px),
            slice((self.left - outer.left) * per_px, (self.right - outer.left) * per_px),
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


@dataclass(frozen=True)
class Gaze:
    """What a camera looks at through a window, in the axes of one part of a thing.

    Args:
        camera: Who looks.
        frame: The part's axes in the world.
        window: Which pixels.
        rays: (3, rows, columns) directions in the world, `PER_PX` in each direction of a pixel.
    """

    camera: Camera
    frame: Frame
    window: Window
    rays: Array

    @cached_property
    def eye(self) -> Array:
        """(3,) the camera's place in the part's axes."""
        return self.frame.to_local(self.camera.position).astype(np.float32)

    @cached_property
    def directions(self) -> Array:
        """(3, rows, columns) the rays in the part's axes."""
        return self.frame.directions_to_local(self.rays)

    def around(self, points: Array) -> tuple[slice, slice] | None:
        """Rows and columns that hold `points` (N, 3) of the part, or None where they are outside the window."""
        window = self.window.around(self.camera.project(self.frame.to_world(points)))
        return None if window.empty else window.within(self.window, PER_PX)

    def narrowed(self, where: tuple[slice, slice]) -> Gaze:
        """The same through the part of the window at these rows and columns."""
        rows, columns = where
        left, top = self.window.left + columns.start // PER_PX, self.window.top + rows.start // PER_PX
        right, bottom = self.window.left + columns.stop // PER_PX, self.window.top + rows.stop // PER_PX
        return Gaze(self.camera, self.frame, Window(left, top, right, bottom), self.rays[:, rows, columns])
