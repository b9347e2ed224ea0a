"""The light that comes from a part of a thing towards the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finetune.data.bundled.camera import Camera
from finetune.data.bundled.frames import Array, Frame
from finetune.data.bundled.room import Room
from finetune.data.bundled.solids import Hits
from finetune.data.bundled.surface import Clear, Surface


@dataclass(frozen=True)
class Spots:
    """The places of a part that are seen, one per ray.

    Args:
        arm: (3, N) from the part's axis to the place, in the world, cm.
        z: (N,) height above the counter.
        normal, view: (3, N) in the world; where the surface faces, and the way the ray goes, each one long.
        u, v: (N,) place on the print.
        depth: (N,) in cm.
    """

    arm: Array
    z: Array
    normal: Array
    view: Array
    u: Array
    v: Array
    depth: Array

    @classmethod
    def of(cls, hits: Hits, seen: Array, rays: Array, frame: Frame, camera: Camera) -> Spots:
        """The hits that the mask `seen` (rows, columns) picks; `frame` is the part's."""
        view, depth = rays[:, seen], hits.depth[seen]
        z = np.float32(camera.position[2]) + depth * view[2]
        view = view / np.sqrt(view[0] ** 2 + view[1] ** 2 + view[2] ** 2)
        normal = frame.directions_to_world(hits.normal[:, seen])
        x, y, _ = hits.place[:, seen]
        arm = frame.directions_to_world(np.stack([x, y, np.zeros_like(x)]))
        return cls(arm, z, normal, view, hits.u[seen], hits.v[seen], depth)

    def facing(self, normal: Array) -> Array:
        """Cosine between a normal and the way back to the camera, not below 0."""
        return np.asarray(np.maximum(-(normal * self.view).sum(0), 0))


def opaque(spots: Spots, surface: Surface, room: Room) -> Array:
    """Light (3, N) from a part that is not looked through."""
    albedo = surface.albedo(spots.u, spots.v)
    facing = spots.facing(spots.normal)
    share = _mirrored_share(surface.mirror, facing)
    diffuse = albedo * room.falling_on(spots.normal) * (1 - share) * (1 - surface.metal * 0.75)
    gleam = _mirrored(spots, spots.normal, room) * share * (1 - surface.metal + surface.metal * albedo)
    return (diffuse + gleam) * np.clip(0.5 + spots.z * 0.3, 0.5, 1).astype(np.float32)


def see_through(spots: Spots, clear: Clear, behind: Array, room: Room, camera: Camera, fill_z: float) -> Array:
    """Light (3, N) through a clear part.

    Args:
        behind: (rows, columns, 3) the picture as it was before the thing.
        fill_z: Height of the liquid's surface above the counter.
    """
    wet = spots.z < fill_z
    radius_px = np.sqrt((spots.arm * spots.arm).sum(0)) * camera.focal_px / spots.depth
    # A full bottle is a lens that turns left and right around; an empty one only bends the view at its sides.
    bend = np.where(wet, -1.75, 0.3 * (1 - spots.facing(spots.normal))) * radius_px
    light = _sampled(behind, spots, bend, camera)
    facing = spots.facing(spots.normal)
    depth = np.where(wet, 1.0, 0.35) * (0.35 + 0.65 * facing)
    tint, liquid = (np.array(colour, np.float32)[:, None] for colour in (clear.tint, clear.liquid))
    light = light * tint * np.where(wet, 1 - (1 - liquid) * depth, 1) * (1 - 0.75 * (1 - facing) ** 2)
    light = light + np.where(wet, liquid * 0.03, 0.012) * tint * room.falling_on(spots.normal)
    surface = _on_liquid(spots, fill_z) & ~wet
    light = np.where(surface, light * 0.8 + room.falling_on(-spots.view) * liquid * 0.06, light)
    light = light + np.where(np.abs(spots.z - fill_z) < 0.07, 0.12, 0) * room.ambient[:, None]
    back = spots.normal - 2 * (spots.normal * camera.axes[0][:, None]).sum(0) * camera.axes[0][:, None]
    glint = _mirrored(spots, spots.normal, room) + 0.4 * _mirrored(spots, back, room)
    return np.asarray(light + glint * (0.06 + 0.5 * (1 - facing) ** 2.5), np.float32)


def _mirrored_share(head_on: float, facing: Array) -> Array:
    """Schlick's approximation of Fresnel's law."""
    away = 1 - facing
    square = away * away
    return np.asarray(head_on + (1 - head_on) * square * square * away, np.float32)


def _mirrored(spots: Spots, normal: Array, room: Room) -> Array:
    return room.mirrored(spots.view - 2 * (spots.view * normal).sum(0) * normal)


def _sampled(behind: Array, spots: Spots, bend_px: Array, camera: Camera) -> Array:
    """The picture behind, looked up `bend_px` along each normal."""
    right, up, forward = camera.axes.astype(np.float32)
    across = (spots.normal * right[:, None]).sum(0)
    upward = (spots.normal * up[:, None]).sum(0)
    ahead = (spots.view * forward[:, None]).sum(0)
    rows, columns = behind.shape[:2]
    x = columns / 2 + camera.focal_px * (spots.view * right[:, None]).sum(0) / ahead + across * bend_px
    y = rows / 2 - camera.focal_px * (spots.view * up[:, None]).sum(0) / ahead - upward * bend_px
    return behind[np.clip(y, 0, rows - 1).astype(np.int32), np.clip(x, 0, columns - 1).astype(np.int32)].T


def _on_liquid(spots: Spots, fill_z: float) -> Array:
    """Whether a ray that enters above the liquid meets its surface before it leaves the (upright) bottle."""
    further = (np.float32(fill_z) - spots.z) / np.minimum(spots.view[2], np.float32(-1e-3))
    x, y = spots.arm[0] + further * spots.view[0], spots.arm[1] + further * spots.view[1]
    return np.asarray(x * x + y * y < spots.arm[0] ** 2 + spots.arm[1] ** 2)
