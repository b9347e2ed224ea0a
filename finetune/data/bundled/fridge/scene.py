"""The place: a dark counter before a wall that is hung with striped cloth, without anything on it yet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageFilter

from finetune.data.bundled.fridge.camera import FRAME, Camera
from finetune.data.bundled.fridge.frames import Array
from finetune.data.bundled.fridge.room import Lamp, Room
from finetune.data.bundled.fridge.surface import LIGHT_OF_GREY, Colour

_STRIPES: tuple[Colour, ...] = ((216, 209, 196), (156, 162, 48), (120, 146, 178))
_STEPS_PER_CM = 24
_TALL_CM = 90


@dataclass(frozen=True)
class Scene:
    """An empty place with its light.

    Args:
        wall_y: Distance of the cloth in cm, along y.
        camera: Who looks at it.
        room: The light in it.
    """

    wall_y: float
    camera: Camera
    room: Room

    @classmethod
    def drawn(cls, rng: np.random.Generator, distance: float = 1.0) -> Scene:
        """A place as it might be found; `distance` moves the viewer away (more than 1) or nearer."""
        wall_y = rng.uniform(11, 16)
        eye = np.array([rng.uniform(-5, 5), -rng.uniform(18, 26) * distance, rng.uniform(18, 25) * distance])
        target = np.array([eye[0] * 0.4 + rng.uniform(-1.5, 1.5), wall_y, rng.uniform(-2.5, 3.5)])
        camera = Camera.aimed(eye, target, rng.normal(0, 0.02), rng.uniform(500, 580))
        return cls(wall_y, camera, Room.drawn(rng))

    def empty_picture(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """The place without things.

        Returns:
            Light (3, rows, columns), and how much (rows, columns) of each pixel is wall, 0 … 1.
        """
        rays = self.camera.rays(FRAME, 1)
        eye = self.camera.position.astype(np.float32)
        reach = (np.float32(self.wall_y) - eye[1]) / rays[1]
        z = eye[2] + reach * rays[2]
        wall = np.clip(z * (np.float32(self.camera.focal_px) / reach) + np.float32(0.5), 0, 1)
        below, above = (int(np.flatnonzero(rows)[0]) for rows in ((wall < 1).any(1), ~(wall > 0).any(1)))
        picture = np.zeros_like(rays)
        cloth = self._cloth((eye[0] + reach * rays[0])[:above], z[:above], rng)
        counter = self._counter(rays[:, below:], rng)
        picture[:, :above] = cloth * wall[:above]
        picture[:, below:] += counter * (1 - wall[below:])
        return picture, wall

    def _cloth(self, x: Array, z: Array, rng: np.random.Generator) -> Array:
        """Striped cloth at wall places `x`, `z` (rows, columns) in cm, as light (3, rows, columns)."""
        phases = rng.uniform(0, 2 * math.pi, 2).tolist()
        waves = 0.35 * np.sin(x * 0.07 + phases[0]) + 0.12 * np.sin(x * 0.23 + phases[1]) + x * rng.uniform(-0.03, 0.03)
        right_of_seam = x - rng.uniform(-22, 22) + z * 0.06
        lifted = z + waves + np.where(right_of_seam < 0, np.float32(rng.uniform(-1, 1)), np.float32(0))
        stripes = _stripes(rng)
        row = np.clip(((lifted + 20) * _STEPS_PER_CM).astype(np.int32), 0, stripes.shape[1] - 1)
        thread = _weave()[(lifted * 11).astype(np.int32) & 255, (x * 11).astype(np.int32) & 255]
        crease = 1 - 0.35 * np.maximum(1 - np.abs(right_of_seam) * 6, 0)
        shade = thread * crease * _gap(z)
        light = [_falling(lamp, x, self.wall_y, z, facing=1) for lamp in self.room.lamps]
        return np.stack([stripes[k][row] * shade * self._total(light, k, 1.0) for k in range(3)])

    def _counter(self, rays: Array, rng: np.random.Generator) -> Array:
        """The dark counter along `rays` (3, rows, columns), as light: nearly black, it mirrors a little far back."""
        eye = self.camera.position.astype(np.float32)
        reach = -eye[2] / np.minimum(rays[2], np.float32(-1e-3))
        x, y = eye[0] + reach * rays[0], eye[1] + reach * rays[1]
        base = (np.array([0.0040, 0.0042, 0.0052]) * rng.uniform(0.5, 2.0) * rng.uniform(0.75, 1.25, 3)).tolist()
        light = [_falling(lamp, x, y, 0.0, facing=2) for lamp in self.room.lamps]
        speckle = 0.75 + 0.25 * _weave()[(y * 17).astype(np.int32) & 255, (x * 17).astype(np.int32) & 255]
        near = 1 + np.maximum(self.wall_y - y, 0) * 0.3
        gleam = rng.uniform(0.002, 0.02) / (near * near)
        colour = self.room.lamps[0].colour.tolist()
        return np.stack([base[k] * speckle * self._total(light, k, 2.0) + gleam * colour[k] for k in range(3)])

    def _total(self, light: list[Array], k: int, ambient: float) -> Array:
        """Red, green or blue light (`k` 0, 1, 2) of the lamps' shares `light` and so much of the ambient light."""
        total = np.float32(ambient) * self.room.ambient[k]
        for lamp, share in zip(self.room.lamps, light, strict=True):
            total = total + lamp.colour[k] * share
        return np.asarray(total)


def _gap(z: Array) -> Array:
    """The dark gap under the cloth's hem, as a factor at heights `z`."""
    return np.asarray(1 - 0.7 * np.clip(1 - z * (1 / 0.3), 0, 1))


def _falling(lamp: Lamp, x: Array, y: Array | float, z: Array | float, facing: int) -> Array:
    """Share of a lamp's light at a place that faces back (`facing` 1) or up (2); 1 is that at the scene's middle."""
    to = [np.float32(where) - axis for where, axis in zip(lamp.position, (x, y, z), strict=True)]
    square = to[0] ** 2 + to[1] ** 2 + to[2] ** 2
    toward = -to[1] if facing == 1 else to[2]
    return np.asarray(np.maximum(toward, 0) / np.sqrt(square) * (np.float32((lamp.position**2).sum()) / square))


def _stripes(rng: np.random.Generator) -> Array:
    """Colours of the cloth from below upwards, (3, steps) as shares of light, blurred to the width of a thread."""
    heights: list[float] = []
    colours = []
    kind = 0
    while sum(heights) < _TALL_CM:
        kind = (kind + int(rng.integers(1, len(_STRIPES)))) % len(_STRIPES)
        colour = np.array(_STRIPES[kind]) + rng.integers(-6, 7, 3)
        colours.append(LIGHT_OF_GREY[np.clip(colour, 0, 255)])
        heights.append(rng.choice([0.35, 0.5, 0.65, 0.9, 1.2]))
    steps = np.repeat(np.array(colours), np.rint(np.array(heights) * _STEPS_PER_CM).astype(int), axis=0)
    return np.asarray((steps[:-2] + 2 * steps[1:-1] + steps[2:]).T / 4, np.float32)


@cache
def _weave() -> Array:
    """A tile (256, 256) of flecked cloth around 1: threads that run sideways, and a few darker ones."""
    rng = np.random.Generator(np.random.PCG64(7))
    flecks = Image.fromarray(rng.integers(0, 256, (256, 256), dtype=np.uint8))
    streaks = flecks.resize((52, 256), Image.Resampling.BOX).resize((256, 256), Image.Resampling.BILINEAR)
    soft = flecks.filter(ImageFilter.GaussianBlur(0.8))
    mixed = np.asarray(streaks, np.float32) * 0.6 + np.asarray(soft, np.float32) * 0.8
    mixed = mixed - mixed.mean()
    return np.asarray(np.clip(1 + mixed / 320, 0.4, 1.4), np.float32)
