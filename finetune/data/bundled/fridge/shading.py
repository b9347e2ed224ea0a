"""The light that comes from a part of a thing towards the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finetune.data.bundled.fridge.camera import Camera, Gaze
from finetune.data.bundled.fridge.frames import Array, dot
from finetune.data.bundled.fridge.room import Room
from finetune.data.bundled.fridge.solids import Part
from finetune.data.bundled.fridge.surface import Clear, Surface


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
    def of(cls, part: Part, gaze: Gaze, depth: Array, along: Array, seen: tuple[Array, ...]) -> Spots:
        """The places of a part at the rows and columns `seen` of those that the gaze meets."""
        depth = depth[seen]
        view = np.stack([plane[seen] for plane in gaze.rays])
        place = gaze.eye[:, None] + depth * gaze.frame.directions_to_local(view)
        spot = part.describe(place, along[seen])
        z = np.float32(gaze.camera.position[2]) + depth * view[2]
        view /= np.sqrt(dot(view, view))
        place[2] = 0
        arm, normal = gaze.frame.directions_to_world(place), gaze.frame.directions_to_world(spot.normal)
        return cls(arm, z, normal, view, spot.u, spot.v, depth)

    def facing(self, normal: Array) -> Array:
        """Cosine between a normal and the way back to the camera, not below 0."""
        return np.asarray(np.maximum(-dot(normal, self.view), 0))


def opaque(spots: Spots, surface: Surface, room: Room) -> Array:
    """Light (3, N) from a part that is not looked through."""
    albedo = surface.albedo(spots.u, spots.v)
    facing = spots.facing(spots.normal)
    share = _mirrored_share(surface.mirror, facing)
    diffuse = albedo * room.falling_on(spots.normal) * (1 - share) * (1 - surface.metal * 0.75)
    gleam = _mirrored(spots, spots.normal, room) * share * (1 - surface.metal + surface.metal * albedo)
    return np.asarray((diffuse + gleam) * np.clip(0.5 + spots.z * 0.3, 0.5, 1))


def see_through(spots: Spots, clear: Clear, behind: Array, room: Room, camera: Camera, fill_z: float) -> Array:
    """Light (3, N) through a clear part.

    Args:
        behind: (3, rows, columns) the picture as it was before the thing.
        fill_z: Height of the liquid's surface above the counter.
    """
    wet = spots.z < fill_z
    facing = spots.facing(spots.normal)
    radius_px = np.sqrt(dot(spots.arm, spots.arm)) * camera.focal_px / spots.depth
    # A full bottle is a lens that turns left and right around; an empty one only bends the view at its sides.
    light = _sampled(behind, spots, np.where(wet, -1.75, 0.3 * (1 - facing)) * radius_px, camera)
    tint, liquid = (np.array(colour, np.float32)[:, None] for colour in (clear.tint, clear.liquid))
    through = 1 - (1 - liquid) * np.where(wet, 0.35 + 0.65 * facing, 0)
    light = light * through * tint * (1 - 0.75 * (1 - facing) ** 2)
    light += np.where(wet, liquid * 0.03, 0.012) * tint * room.falling_on(spots.normal)
    surface = _on_liquid(spots, fill_z) & ~wet
    light = np.where(surface, light * 0.8 + room.falling_on(-spots.view) * liquid * 0.06, light)
    light += (np.abs(spots.z - fill_z) < 0.07) * (np.float32(0.12) * room.ambient[:, None])
    right = camera.axes[0].astype(np.float32)
    back = spots.normal - 2 * dot(right, spots.normal) * right[:, None]
    glint = _mirrored(spots, spots.normal, room) + 0.4 * _mirrored(spots, back, room)
    edge = (1 - facing) ** 2
    return np.asarray(light + glint * (0.06 + 0.5 * edge))


def _mirrored_share(head_on: float, facing: Array) -> Array:
    """Schlick's approximation of Fresnel's law."""
    away = 1 - facing
    square = away * away
    return np.asarray(head_on + (1 - head_on) * square * square * away)


def _mirrored(spots: Spots, normal: Array, room: Room) -> Array:
    return room.mirrored(spots.view - 2 * dot(spots.view, normal) * normal)


def _sampled(behind: Array, spots: Spots, bend_px: Array, camera: Camera) -> Array:
    """The picture behind, looked up `bend_px` along each normal."""
    right, up, forward = camera.axes.astype(np.float32)
    across = dot(right, spots.normal)
    upward = dot(up, spots.normal)
    ahead = dot(forward, spots.view)
    rows, columns = behind.shape[1:]
    x = columns / 2 + camera.focal_px * dot(right, spots.view) / ahead + across * bend_px
    y = rows / 2 - camera.focal_px * dot(up, spots.view) / ahead - upward * bend_px
    row, column = np.clip(y, 0, rows - 1).astype(np.int32), np.clip(x, 0, columns - 1).astype(np.int32)
    return np.asarray(behind[:, row, column])


def _on_liquid(spots: Spots, fill_z: float) -> Array:
    """Whether a ray that enters above the liquid meets its surface before it leaves the (upright) bottle."""
    further = (np.float32(fill_z) - spots.z) / np.minimum(spots.view[2], np.float32(-1e-3))
    x, y = spots.arm[0] + further * spots.view[0], spots.arm[1] + further * spots.view[1]
    return np.asarray(x * x + y * y < spots.arm[0] ** 2 + spots.arm[1] ** 2)
