"""What things do to the place they stand in: shadows on cloth and counter, and their image in the counter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from finetune.data.bundled.fridge.camera import HEIGHT_PX, WIDTH_PX, Camera
from finetune.data.bundled.fridge.frames import Array
from finetune.data.bundled.fridge.room import Lamp
from finetune.data.bundled.fridge.scene import Scene
from finetune.data.bundled.fridge.thing import Thing

_SHRINK = 3  # shadows are soft: they are drawn in a smaller picture


def silhouette(camera: Camera, quads: Array, shrink: int) -> Image.Image:
    """A mask of world quads (N, 4, 3) in a picture `shrink` times smaller."""
    mask = Image.new("L", (-(-WIDTH_PX // shrink), -(-HEIGHT_PX // shrink)))
    draw = ImageDraw.Draw(mask)
    # Eighths of a pixel: the last bits of a coordinate, which may differ between machines, do not show.
    seen = np.rint(camera.project(quads.reshape(-1, 3)) * (8 / shrink)) / 8
    for corners in np.clip(seen, -4096, 4096).reshape(-1, 8).tolist():
        draw.polygon(corners, fill=255)
    return mask


def add_shadows(picture: Array, wall: Array, scene: Scene, things: Sequence[Thing]) -> None:
    """Darken cloth and counter where `things` stand in a lamp's light, and under them."""
    outline = np.concatenate([thing.outline for thing in things])
    room = scene.room
    total = room.ambient + room.lamps[0].colour + room.lamps[1].colour
    for lamp in room.lamps:
        share = np.float32(0.92) * lamp.colour / total
        _darken(picture, wall, scene.camera, _thrown(outline, lamp, 1, scene.wall_y), lamp.blur_px, share)
        _darken(picture, 1 - wall, scene.camera, _thrown(outline, lamp, 2, 0.0), lamp.blur_px * 0.6, share)
    resting = outline[outline[:, :, 2].max(1) < 2.5] * [1.0, 1.0, 0.0]
    _darken(picture, 1 - wall, scene.camera, resting, 5.0, np.full(3, 0.6, np.float32))


def _thrown(quads: Array, lamp: Lamp, axis: int, plane: float) -> Array:
    """World quads, thrown by the lamp onto the plane where coordinate `axis` is `plane`."""
    ahead = (quads - lamp.position)[..., axis]
    ahead = np.where(np.abs(ahead) < 1e-3, 1e-3, ahead)
    stretch = np.clip((plane - lamp.position[axis]) / ahead, 0, 20)
    return np.asarray(lamp.position + (quads - lamp.position) * stretch[..., None])


def _darken(picture: Array, where: Array, camera: Camera, quads: Array, blur_px: float, share: Array) -> None:
    """Take the `share` (3,) of the light where world quads cover pixels of the mask `where`, with soft edges."""
    small = silhouette(camera, quads, _SHRINK).filter(ImageFilter.GaussianBlur(blur_px / _SHRINK))
    mask = small.resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BILINEAR)
    box = mask.getbbox()
    if box is None:
        return
    part = slice(box[1], box[3]), slice(box[0], box[2])
    darkness = np.asarray(mask)[part] * where[part] * np.float32(1 / 255)
    picture[(slice(None), *part)] *= 1 - darkness * share[:, None, None]


def add_reflections(picture: Array, wall: Array, scene: Scene, things: Sequence[Thing], strength: float) -> None:
    """What the counter mirrors of things: a faint, blurred glow of their colour below them."""
    glow = Image.new("RGB", (-(-WIDTH_PX // _SHRINK), -(-HEIGHT_PX // _SHRINK)))
    for thing in things:
        low = np.minimum(thing.outline, [np.inf, np.inf, 0.4 * thing.top]) * [1.0, 1.0, -1.0]
        red, green, blue = np.rint(thing.mean_albedo() * 255).astype(int).tolist()
        glow.paste((red, green, blue), mask=silhouette(scene.camera, low, _SHRINK))
    glow = glow.filter(ImageFilter.GaussianBlur(9 / _SHRINK)).resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BILINEAR)
    if (box := glow.getbbox()) is not None:
        part = slice(box[1], box[3]), slice(box[0], box[2])
        light = (scene.room.ambient + scene.room.lamps[0].colour * np.float32(0.5)) * np.float32(strength / 255)
        counter = 1 - wall[part]
        for plane, mirrored, strong in zip(picture, glow.split(), light.tolist(), strict=True):
            plane[part] += np.asarray(mirrored)[part] * counter * strong
