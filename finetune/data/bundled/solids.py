"""What things are made of: turned surfaces (`Band`) and flat polygons (`Panel`), and where a ray meets them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from finetune.data.bundled.camera import Camera, Window
from finetune.data.bundled.frames import Array, Frame
from finetune.data.bundled.surface import Surface

_RING = np.array([(math.cos(k * math.pi / 12), math.sin(k * math.pi / 12)) for k in range(24)])


@dataclass(frozen=True)
class Hits:
    """The nearest meeting of each ray of a window with one part.

    Args:
        window: Which pixels.
        depth: (rows, columns) along the camera's view in cm; infinite where the ray misses.
        normal: (3, rows, columns) in the part's frame, of length one where there is a hit.
        u, v: (rows, columns) place on the part's print, 0 … 1.
        place: (3, rows, columns) in the part's frame, cm.
    """

    window: Window
    depth: Array
    normal: Array
    u: Array
    v: Array
    place: Array


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

    def outline(self) -> list[Array]:
        """Quads (4, 3) that together cover the band, in the thing's frame."""
        picked = self.profile[np.unique(np.linspace(0, len(self.profile) - 1, 9).round().astype(int))]
        rings = [np.column_stack([_RING * radius, np.full(24, z)]) for radius, z in picked]
        placed = [self.frame.to_world(ring) for ring in rings]
        return [
            np.stack([low[k - 1], low[k], high[k], high[k - 1]])
            for low, high in zip(placed, placed[1:], strict=False)
            for k in range(0, 24)
        ]

    def meet(self, camera: Camera, frame: Frame, rays: Array, window: Window, per_px: int) -> Hits:
        """Cast `rays` of `window` at the band, whose thing stands at `frame`."""
        own = self.frame.inside(frame)
        eye = own.to_local(camera.position).astype(np.float32)
        local = own.directions_to_local(rays)
        depth = np.full(local.shape[1:], np.inf, np.float32)
        along = np.zeros(local.shape[1:], np.float32)
        for k in range(len(self.profile) - 1):
            rings = np.concatenate(
                [np.column_stack([_RING * 1.02 * r, np.full(24, z)]) for r, z in self.profile[k : k + 2]]
            )
            part = window.around(camera.project(own.to_world(rings)))
            if part.empty:
                continue
            rows = slice((part.top - window.top) * per_px, (part.bottom - window.top) * per_px)
            columns = slice((part.left - window.left) * per_px, (part.right - window.left) * per_px)
            t, fraction = _meet_cone(eye, local[:, rows, columns], *self.profile[k], *self.profile[k + 1])
            nearer = t < depth[rows, columns]
            depth[rows, columns][nearer] = t[nearer]
            along[rows, columns][nearer] = k + fraction[nearer]
        return self._described(window, depth, along, eye, local)

    def _described(self, window: Window, depth: Array, along: Array, eye: Array, local: Array) -> Hits:
        t = np.where(np.isfinite(depth), depth, 0)
        place = eye[:, None, None] + t * local
        radial, upward = self._normals()
        steps = np.arange(len(self.profile))
        out, up = np.interp(along, steps, radial), np.interp(along, steps, upward)
        radius = np.maximum(np.sqrt(place[0] ** 2 + place[1] ** 2), 1e-6)
        normal = np.stack([out * place[0] / radius, out * place[1] / radius, up]).astype(np.float32)
        if self.flat_print:
            reach = float(self.profile[:, 0].max())
            return Hits(window, depth, normal, place[0] / (2 * reach) + 0.5, 0.5 - place[1] / (2 * reach), place)
        u = np.arctan2(place[0], -place[1]) * np.float32(0.5 / math.pi) + np.float32(0.5)
        lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(self.profile, axis=0).T))])
        return Hits(window, depth, normal, u, 1 - np.interp(along, steps, lengths / lengths[-1]), place)

    def _normals(self) -> tuple[Array, Array]:
        """Radial and upward share of the normal at each profile point, smooth along the band."""
        pieces = np.diff(self.profile, axis=0)
        pieces /= np.maximum(np.hypot(*pieces.T)[:, None], 1e-9)
        tangents = np.concatenate([pieces[:1], pieces[1:] + pieces[:-1], pieces[-1:]])
        tangents /= np.maximum(np.hypot(*tangents.T)[:, None], 1e-9)
        return tangents[:, 1], -tangents[:, 0]


def _meet_cone(eye: Array, ray: Array, r0: float, z0: float, r1: float, z1: float) -> tuple[Array, Array]:
    """Depth where rays meet the visible side of a cone's piece, and how far from its first ring (0 … 1)."""
    rise, grow = np.float32(z1 - z0), np.float32(r1 - r0)
    if abs(rise) < 1e-6:
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (np.float32(z0) - eye[2]) / ray[2]
        x, y = eye[0] + t * ray[0], eye[1] + t * ray[1]
        fraction = (np.sqrt(x * x + y * y) - np.float32(r0)) / grow
        seen = ray[2] * -grow < 0
    else:
        s0, s1 = rise * np.float32(r0) + grow * (eye[2] - np.float32(z0)), grow * ray[2]
        a = rise * rise * (ray[0] * ray[0] + ray[1] * ray[1]) - s1 * s1
        b = rise * rise * (eye[0] * ray[0] + eye[1] * ray[1]) - s0 * s1
        c = rise * rise * (eye[0] * eye[0] + eye[1] * eye[1]) - s0 * s0
        inner = b * b - a * c
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (-b - np.sign(rise) * np.sqrt(inner)) / a
        fraction = (eye[2] + t * ray[2] - np.float32(z0)) / rise
        seen = inner >= 0
    met = seen & (t > 0) & (fraction >= 0) & (fraction <= 1)
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

    def outline(self) -> list[Array]:
        """The polygon itself."""
        return [self.corners]

    def meet(self, camera: Camera, frame: Frame, rays: Array, window: Window, per_px: int) -> Hits:
        """Cast `rays` of `window` at the panel, whose thing stands at `frame`."""
        across = (self.corners[1] - self.corners[0]) / math.dist(self.corners[0], self.corners[1])
        normal = np.cross(across, self.corners[2] - self.corners[1])
        normal /= math.sqrt(float((normal * normal).sum()))
        upward = np.cross(normal, across)
        eye = frame.to_local(camera.position)
        local = frame.directions_to_local(rays)
        x, y, z = normal.astype(np.float32)
        towards = x * local[0] + y * local[1] + z * local[2]
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.float32(((self.corners[0] - eye) * normal).sum()) / towards
        t = np.where((towards < 0) & (t > 0), t, np.float32(0))
        place = eye.astype(np.float32)[:, None, None] + t * local
        right, up = (_along(place, self.corners[0], axis) for axis in (across, upward))
        flat = np.column_stack([(self.corners - self.corners[0]) @ across, (self.corners - self.corners[0]) @ upward])
        within = t > 0
        for (x0, y0), (x1, y1) in zip(flat, np.roll(flat, -1, axis=0), strict=True):
            within &= (x1 - x0) * (up - y0) - (y1 - y0) * (right - x0) >= 0
        depth = np.where(within, t, np.float32(np.inf))
        flat_normal = np.broadcast_to(normal.astype(np.float32)[:, None, None], place.shape)
        return Hits(window, depth, flat_normal, right / flat[1, 0], 1 - up / np.float32(self.height), place)


def _along(place: Array, corner: Array, axis: Array) -> Array:
    """How far places (3, rows, columns) are from `corner` along `axis`."""
    x, y, z = axis.astype(np.float32)
    return x * place[0] + y * place[1] + z * place[2] - np.float32((corner * axis).sum())


Part = Band | Panel
