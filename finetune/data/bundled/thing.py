"""A thing of several parts, and the room it takes on the counter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from finetune.data.bundled.frames import Array, Frame
from finetune.data.bundled.solids import Part


@dataclass(frozen=True)
class Thing:
    """Something that stands or lies on the counter.

    Args:
        parts: What it is made of; what is looked through comes last.
        height: Along its own z axis, in cm.
        radius: How far it reaches from its own z axis, in cm.
        frame: Where it is.
    """

    parts: tuple[Part, ...]
    height: float
    radius: float
    frame: Frame = Frame()

    def at(self, frame: Frame) -> Thing:
        """The same thing elsewhere."""
        return replace(self, frame=frame)

    @cached_property
    def outline(self) -> Array:
        """World polygons (N, K, 3) that together cover the thing, seen from wherever; a last corner may repeat."""
        polygons = [polygon for part in self.parts for polygon in part.outline()]
        corners = max(len(polygon) for polygon in polygons)
        evened = np.concatenate([even(polygon[None], corners) for polygon in polygons])
        return self.frame.to_world(evened.reshape(-1, 3)).reshape(evened.shape)

    @cached_property
    def footprint(self) -> Array:
        """Circles (5, 3) on the counter, x, y and radius in cm, within which the thing is."""
        reach = min(self.radius, self.height / 2)
        axis = np.column_stack([np.zeros((5, 2)), np.linspace(reach, self.height - reach, 5)])
        return np.column_stack([self.frame.to_world(axis)[:, :2], np.full(5, self.radius)])

    def collides(self, other: Thing) -> bool:
        """Whether the footprints meet."""
        apart = self.footprint[:, None] - other.footprint[None]
        touching = self.footprint[:, None, 2] + other.footprint[None, :, 2]
        return bool((np.hypot(apart[..., 0], apart[..., 1]) < touching).any())


def even(polygons: Array, corners: int) -> Array:
    """Polygons (N, K, 3) with their last corner repeated until each has `corners`."""
    return np.concatenate([polygons, polygons[:, -1:].repeat(corners - polygons.shape[1], 1)], axis=1)
