"""Things in a scene, seen through its camera."""

from __future__ import annotations

import numpy as np

from finetune.data.bundled.fridge.camera import FRAME, PER_PX, Gaze
from finetune.data.bundled.fridge.frames import Array
from finetune.data.bundled.fridge.room import Room
from finetune.data.bundled.fridge.scene import Scene
from finetune.data.bundled.fridge.shading import Spots, opaque, see_through
from finetune.data.bundled.fridge.solids import Part
from finetune.data.bundled.fridge.thing import Thing


def add_thing(picture: Array, scene: Scene, thing: Thing) -> None:
    """Draw a thing over the picture (3, rows, columns)."""
    window = FRAME.around(scene.camera.project(thing.outline.reshape(-1, 3)))
    if window.empty:
        return
    rays = scene.camera.rays(window, PER_PX)
    depth = np.full(rays.shape[1:], np.inf, np.float32)
    region = picture[(slice(None), *window.within(FRAME, 1))]
    light = region.repeat(PER_PX, 1).repeat(PER_PX, 2)
    for part in thing.parts:
        gaze = Gaze(scene.camera, part.frame.inside(thing.frame), window, rays)
        _add_part(light, depth, part, gaze, picture, scene.room, thing.top)
    rows = light[:, ::2] + light[:, 1::2]
    region[:] = (rows[:, :, ::2] + rows[:, :, 1::2]) * np.float32(1 / PER_PX**2)


def _add_part(light: Array, depth: Array, part: Part, gaze: Gaze, picture: Array, room: Room, top: float) -> None:
    """Draw a part where it is nearer than what is there; `picture` is what is behind the whole thing."""
    where = gaze.around(part.outline.reshape(-1, 3) * [1.03, 1.03, 1.0])
    if where is None:
        return
    gaze = gaze.narrowed(where)
    met, along = part.meet(gaze)
    seen = np.nonzero(met < depth[where])
    spots = Spots.of(part, gaze, met, along, seen)
    clear = part.surface.clear
    if clear is None:
        shade = opaque(spots, part.surface, room)
    else:
        shade = see_through(spots, clear, picture, room, gaze.camera, clear.level * top)
    for plane, colour in zip(light, shade, strict=True):
        plane[where][seen] = colour
    depth[where][seen] = met[seen]
