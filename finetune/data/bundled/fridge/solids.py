"""What things are made of: turned surfaces (`Band`) and flat polygons (`Panel`), and where a ray meets them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np

from finetune.data.bundled.fridge.camera import Gaze
from finetune.data.bundled.fridge.frames import Array, Frame, dot
from finetune.data.bundled.fridge.surface import Surface

_CORNERS = 16
_RING = np.array(
    [(math.cos(k * 2 * math.pi / _CORNERS), math.sin(k * 2 * math.pi / _CORNERS)) for k in range(_CORNERS)]
)


@dataclass(frozen=True)
class Spot:
    """Places on a part.

    Args:
        normal: (3, N) in the part's axes, each one long.
        u, v: (N,) place on the part's print, 0 … 1, from its left and from above.
    """

    normal: Array
    u: Array
    v: Array


@dataclass(frozen=True)
class Band:
    """A profile turned about the z axis.

    Args:
        profile: (K, 2) radius and height in cm. Walked upwards its outside is seen, downwards its inside.
        surface: How it looks. `u` runs around, `v` from the profile's end (0) to its beginning (1).
        flat_print: The print is laid on from above instead of being wrapped around.
        frame: Where the axis is within the thing.
    """

    profile: Array
    surface: Surface
    flat_print: bool = False
    frame: Frame = field(default_factory=Frame)

    @cached_property
    def outline(self) -> Array:
        """Quads (N, 4, 3) that together cover the band, in its own axes."""
        count = min(len(self.profile), 6)
        picked = self.profile[np.rint(np.linspace(0, len(self.profile) - 1, count)).astype(int)]
        rings = np.stack([_ring(radius, z) for radius, z in picked])
        low, high = rings[:-1], rings[1:]
        quads = np.stack([np.roll(low, 1, axis=1), low, high, np.roll(high, 1, axis=1)], axis=2)
        return quads.reshape(-1, 4, 3)

    def meet(self, gaze: Gaze) -> tuple[Array, Array]:
        """Depth (rows, columns) in cm where the rays meet the band, infinite where they miss, and how far along it."""
        depth = np.full(gaze.directions.shape[1:], np.inf, np.float32)
        along = np.zeros(depth.shape, np.float32)
        for k, (start, end) in enumerate(pairwise(self.profile)):
            # A ring of straight pieces is a little too small for the circle.
            where = gaze.around(np.concatenate([_ring(start[0] * 1.03, start[1]), _ring(end[0] * 1.03, end[1])]))
            if where is None:
                continue
            x, y, z = (axis[where] for axis in gaze.directions)
            t, fraction = _meet_cone(gaze.eye, (x, y, z), start, end)
            nearer = t < depth[where]
            np.copyto(depth[where], t, where=nearer)
            np.copyto(along[where], fraction + np.float32(k), where=nearer)
        return depth, along

    def describe(self, place: Array, along: Array) -> Spot:
        """What the places (3, N) on the band, `along` (N,) it, are like."""
        radial, upward = self._normals
        piece = np.minimum(along.astype(np.int32), len(self.profile) - 2)
        rest = along - piece
        out = radial[piece] + rest * (radial[piece + 1] - radial[piece])
        up = upward[piece] + rest * (upward[piece + 1] - upward[piece])
        radius = np.maximum(np.sqrt(place[0] ** 2 + place[1] ** 2), np.float32(1e-6))
        normal = np.stack([out * place[0] / radius, out * place[1] / radius, up])
        if self.flat_print:
            reach = float(2 * self.profile[:, 0].max())
            return Spot(normal, place[0] / reach + np.float32(0.5), np.float32(0.5) - place[1] / reach)
        u = np.arctan2(place[0], -place[1]) * np.float32(0.5 / math.pi) + np.float32(0.5)
        far = self._lengths
        return Spot(normal, u, 1 - (far[piece] + rest * (far[piece + 1] - far[piece])))

    @cached_property
    def _normals(self) -> tuple[Array, Array]:
        """Radial and upward share of the normal at each profile point, smooth along the band."""
        pieces = np.diff(self.profile, axis=0)
        pieces /= np.maximum(np.hypot(*pieces.T)[:, None], 1e-9)
        tangents = np.concatenate([pieces[:1], pieces[1:] + pieces[:-1], pieces[-1:]])
        tangents /= np.maximum(np.hypot(*tangents.T)[:, None], 1e-9)
        return tangents[:, 1].astype(np.float32), -tangents[:, 0].astype(np.float32)

    @cached_property
    def _lengths(self) -> Array:
        """Share of the profile's length at each of its points."""
        lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(self.profile, axis=0).T))])
        return np.asarray(lengths / lengths[-1], np.float32)


def _ring(radius: float, z: float) -> Array:
    return np.column_stack([_RING * radius, np.full(_CORNERS, z)])


def _meet_cone(eye: Array, ray: tuple[Array, Array, Array], start: Array, end: Array) -> tuple[Array, Array]:
    """Depth where rays meet the visible side of a cone's piece, and how far from its first ring (0 … 1)."""
    r0, z0 = start.astype(np.float32)
    grow, rise = (end - start).astype(np.float32)
    x, y, z = ray
    with np.errstate(divide="ignore", invalid="ignore"):
        if abs(rise) < 1e-6:
            t = (z0 - eye[2]) / z
            fraction = (np.sqrt((eye[0] + t * x) ** 2 + (eye[1] + t * y) ** 2) - r0) / grow
            met = z * -grow < 0
        else:
            s0, s1 = rise * r0 + grow * (eye[2] - z0), grow * z
            steep = rise * rise
            a = steep * (x * x + y * y) - s1 * s1
            b = steep * (eye[0] * x + eye[1] * y) - s0 * s1
            inner = b * b - a * (steep * (eye[0] * eye[0] + eye[1] * eye[1]) - s0 * s0)
            # Of the two meetings, the first is with an outside, the second with an inside.
            t = -(b + np.sign(rise) * np.sqrt(inner)) / a
            fraction = (eye[2] + t * z - z0) / rise
            met = t > 0
    met &= (fraction >= 0) & (fraction <= 1) & (t > 0)
    return np.where(met, t, np.float32(np.inf)), fraction


@dataclass(frozen=True)
class Panel:
    """A flat convex polygon, seen from the side from which its corners run anticlockwise.

    Args:
        corners: (K, 3) in cm; the first is the print's lower left, the second its lower right.
        surface: How it looks.
        height: Of the print, in cm, from the line through the first two corners.
    """

    corners: Array
    surface: Surface
    height: float
    frame: Frame = field(default_factory=Frame)

    @property
    def outline(self) -> Array:
        """The polygon (1, 4, 3) itself."""
        return np.concatenate([self.corners, self.corners[-1:]])[None, :4]

    @cached_property
    def _axes(self) -> Array:
        """(3, 3): right and up on the print, and the normal."""
        right = (self.corners[1] - self.corners[0]) / math.dist(self.corners[0], self.corners[1])
        normal = np.cross(right, self.corners[2] - self.corners[1])
        normal /= math.sqrt(float((normal * normal).sum()))
        return np.stack([right, np.cross(normal, right), normal])

    def meet(self, gaze: Gaze) -> tuple[Array, Array]:
        """Depth (rows, columns) in cm where the rays meet the panel, infinite where they miss, and zeros."""
        right, up, normal = self._axes.astype(np.float32)
        nothing = np.zeros(gaze.directions.shape[1:], np.float32)
        ahead = np.float32(dot(self.corners[0] - gaze.eye, self._axes[2]))
        if ahead >= 0:
            return np.full_like(nothing, np.inf), nothing
        t = ahead / np.minimum(dot(normal, gaze.directions), np.float32(-1e-6))
        across, upward = (_along(gaze, axis, self.corners[0], t) for axis in (right, up))
        within = t > 0
        flat = (self.corners - self.corners[0]) @ self._axes[:2].T
        for (x0, y0), (x1, y1) in pairwise(np.concatenate([flat, flat[:1]]).astype(np.float32)):
            within &= (x1 - x0) * (upward - y0) >= (y1 - y0) * (across - x0)
        return np.where(within, t, np.float32(np.inf)), nothing

    def describe(self, place: Array, along: Array) -> Spot:
        """What the places (3, N) on the panel are like."""
        right, up, normal = self._axes.astype(np.float32)
        off = place - self.corners[0].astype(np.float32)[:, None]
        width = np.float32(math.dist(self.corners[0], self.corners[1]))
        u = dot(right, off) / width
        v = 1 - dot(up, off) / np.float32(self.height)
        return Spot(np.broadcast_to(normal[:, None], place.shape), u, v)


def _along(gaze: Gaze, axis: Array, corner: Array, t: Array) -> Array:
    """How far the rays are along `axis` from `corner` at depth `t`."""
    start = np.float32(dot(gaze.eye - corner, axis))
    return np.asarray(start + t * dot(axis, gaze.directions), np.float32)


Part = Band | Panel
