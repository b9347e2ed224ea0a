"""A thing of several parts, and the room it takes on the counter."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from finetune.data.bundled.fridge.frames import Array, Frame
from finetune.data.bundled.fridge.solids import Part


@dataclass(frozen=True)
class Thing:
    """Something that stands or lies on the counter.

    Args:
        parts: What it is made of; what is looked through comes last.
        height: Along its own z axis, in cm.
        radius: From its own z axis to its side, in cm: how high the axis is when it lies.
        reach: From its own z axis to what is farthest from it, in cm; None stands for `radius`.
        frame: Where it is.
    """

    parts: tuple[Part, ...]
    height: float
    radius: float
    reach: float | None = None
    frame: Frame = field(default_factory=Frame)

    def at(self, frame: Frame) -> Thing:
        """The same thing elsewhere."""
        return replace(self, frame=frame)

    @cached_property
    def outline(self) -> Array:
        """World quads (N, 4, 3) that together cover the thing, seen from wherever."""
        placed = [part.frame.inside(self.frame).to_world(part.outline.reshape(-1, 3)) for part in self.parts]
        return np.concatenate(placed).reshape(-1, 4, 3)

    @cached_property
    def footprint(self) -> Array:
        """Circles (5, 3) on the counter, x, y and radius in cm, within which the thing is."""
        end = min(self.radius, self.height / 2)
        axis = np.column_stack([np.zeros((5, 2)), np.linspace(end, self.height - end, 5)])
        return np.column_stack([self.frame.to_world(axis)[:, :2], np.full(5, self.reach or self.radius)])

    def collides(self, other: Thing) -> bool:
        """Whether the footprints meet."""
        apart = self.footprint[:, None] - other.footprint[None]
        touching = self.footprint[:, None, 2] + other.footprint[None, :, 2]
        return bool((np.hypot(apart[..., 0], apart[..., 1]) < touching).any())

    @property
    def top(self) -> float:
        """Height of the highest point above the counter, in cm."""
        return float(self.outline[..., 2].max())

    def mean_albedo(self) -> Array:
        """The mean share (3,) of light that the largest print throws back."""
        largest = max((part.surface for part in self.parts), key=lambda surface: surface.print.size)
        u, v = np.meshgrid(np.linspace(0.05, 0.95, 8), np.linspace(0.05, 0.95, 8))
        return np.asarray(largest.albedo(u.ravel(), v.ravel()).mean(1))
