"""Things in a scene, seen through its camera."""

from __future__ import annotations


from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from finetune.data.bundled.camera import FRAME, HEIGHT_PX, WIDTH_PX, Camera, Window
from finetune.data.bundled.frames import Array, Frame
from finetune.data.bundled.room import Lamp
from finetune.data.bundled.scene import Scene
from finetune.data.bundled.shading import Spots, opaque, see_through
from finetune.data.bundled.solids import Band, Part
from finetune.data.bundled.thing import Thing, even

_PER_PX = 2


def silhouette(polygons: Array, shrink: int = 1) -> Image.Image:
    """A mask of picture polygons (N, K, 2), in a picture `shrink` times smaller."""
    mask = Image.new("L", (-(-WIDTH_PX // shrink), -(-HEIGHT_PX // shrink)))
    draw = ImageDraw.Draw(mask)
    for polygon in np.rint(polygons / shrink * 8) / 8:
        draw.polygon([(float(x), float(y)) for x, y in polygon], fill=255)
    return mask


def seen_polygons(camera: Camera, polygons: Array) -> Array:
    """World polygons (N, K, 3) in the picture (N, K, 2)."""
    count, corners, _ = polygons.shape
    return camera.project(polygons.reshape(-1, 3)).reshape(count, corners, 2)


def add_shadows(picture: Array, wall: Array, scene: Scene, things: Sequence[Thing]) -> None:
    """Darken cloth and counter where `things` stand in a lamp's light, and under them."""
    corners = max(thing.outline.shape[1] for thing in things)
    outline = np.concatenate([even(thing.outline, corners) for thing in things])
    total = scene.room.ambient + sum((lamp.colour for lamp in scene.room.lamps), np.zeros(3))
    for lamp in scene.room.lamps:
        share = (lamp.colour / total * 0.92).astype(np.float32)
        on_wall = _shadow(scene.camera, _thrown(outline, lamp, 1, scene.wall_y), lamp.blur_px)
        on_counter = _shadow(scene.camera, _thrown(outline, lamp, 2, 0.0), lamp.blur_px * 0.6)
        darkness = np.where(wall, on_wall, on_counter)[..., None]
        picture *= 1 - darkness * share
    resting = outline * np.array([1.0, 1.0, 0.0])
    contact = _shadow(scene.camera, resting[outline[:, :, 2].max(1) < 2.5], 5)
    picture *= 1 - np.where(wall, 0, contact * np.float32(0.6))[..., None]


def _thrown(polygons: Array, lamp: Lamp, axis: int, plane: float) -> Array:
    """World polygons, thrown by the lamp onto the plane where coordinate `axis` is `plane`."""
    ahead = (polygons - lamp.position)[..., axis]
    ahead = np.where(np.abs(ahead) < 1e-3, 1e-3, ahead)
    stretch = np.clip((plane - lamp.position[axis]) / ahead, 0, 20)
    return lamp.position + (polygons - lamp.position) * stretch[..., None]


def _shadow(camera: Camera, polygons: Array, blur_px: float) -> Array:
    """How dark (rows, columns), 0 … 1, polygons in the world make the picture."""
    mask = silhouette(seen_polygons(camera, polygons), 2).filter(ImageFilter.GaussianBlur(blur_px / 2))
    return np.asarray(mask.resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BILINEAR), np.float32) / 255


def add_reflection(picture: Array, wall: Array, scene: Scene, thing: Thing, strength: float) -> None:
    """What the counter mirrors of a thing: a faint, blurred glow below it."""
    outline = thing.outline
    upside_down = np.minimum(outline, [np.inf, np.inf, 0.4 * outline[..., 2].max()]) * [1.0, 1.0, -1.0]
    mask = silhouette(seen_polygons(scene.camera, upside_down), 2).filter(ImageFilter.GaussianBlur(9))
    full = np.asarray(mask.resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BILINEAR), np.float32) / 255
    colour = _mean_albedo(thing) * (scene.room.ambient + scene.room.lamps[0].colour * 0.5)
    picture += np.where(wall, 0, full * np.float32(strength))[..., None] * colour.astype(np.float32)


def _mean_albedo(thing: Thing) -> Array:
    parts = [part.surface for part in thing.parts]
    largest = max(parts, key=lambda surface: surface.print.size)
    step = np.linspace(0.05, 0.95, 8, dtype=np.float32)
    u, v = np.meshgrid(step, step)
    return np.asarray(largest.albedo(u.ravel(), v.ravel()).mean(1))


def add_thing(picture: Array, scene: Scene, thing: Thing) -> Array:
    """Draw a thing over the picture.

    Returns:
        How much of each pixel (rows, columns) it covers, 0 … 1.
    """
    covered = np.zeros(picture.shape[:2], np.float32)
    window = FRAME.around(scene.camera.project(thing.outline.reshape(-1, 3)))
    if window.empty:
        return covered
    rays = scene.camera.rays(window, _PER_PX)
    depth = np.full(rays.shape[1:], np.inf, np.float32)
    part_of = picture[window.top : window.bottom, window.left : window.right]
    light = part_of.repeat(_PER_PX, 0).repeat(_PER_PX, 1)
    for part in thing.parts:
        hits = part.meet(scene.camera, thing.frame, rays, window, _PER_PX)
        seen = hits.depth < depth
        spots = Spots.of(hits, seen, rays, _frame_of(part, thing), scene.camera)
        clear = part.surface.clear
        if clear is None:
            light[seen] = opaque(spots, part.surface, scene.room).T
        else:
            fill_z = clear.level * _top(thing)
            light[seen] = see_through(spots, clear, picture, scene.room, scene.camera, fill_z).T
        depth[seen] = hits.depth[seen]
    rows, columns = part_of.shape[:2]
    part_of[:] = light.reshape(rows, _PER_PX, columns, _PER_PX, 3).mean((1, 3))
    covered[window.top : window.bottom, window.left : window.right] = (
        np.isfinite(depth).reshape(rows, _PER_PX, columns, _PER_PX).mean((1, 3))
    )
    return covered


def _frame_of(part: Part, thing: Thing) -> Frame:
    return part.frame.inside(thing.frame) if isinstance(part, Band) else thing.frame


def _top(thing: Thing) -> float:
    """Height of the thing's highest point above the counter, in cm."""
    return float(thing.outline[..., 2].max())
