"""The light: what falls on a matte surface and what a glossy one mirrors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from finetune.data.bundled.fridge.frames import Array

_BALL = 96


@dataclass(frozen=True)
class Lamp:
    """A light that throws shadows.

    Args:
        position: (3,) in cm.
        colour: (3,) amounts of red, green and blue light on a surface that faces the lamp.
        blur_px: How soft its shadows are.
    """

    position: Array
    colour: Array
    blur_px: float


@dataclass(frozen=True)
class Room:
    """Lamps, and the room's light as two pictures of a mirror ball, looked up by direction.

    Args:
        lamps: The brightest first.
        ambient: (3,) light from everywhere.
        matte: (3, side, side) light that a white matte surface of a direction throws back.
        gloss: (3, side, side) what is mirrored in a direction.
    """

    lamps: tuple[Lamp, ...]
    ambient: Array
    matte: Array
    gloss: Array

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Room:
        """A kitchen with a warm or a cool light, from one side or the other."""
        warmth, side = rng.uniform(-0.4, 1.0), rng.choice([-1.0, 1.0])
        tone = np.array([1 + 0.22 * warmth, 1.0, 1 - 0.38 * warmth])
        key = Lamp(
            np.array([side * rng.uniform(8, 45), rng.uniform(-65, -30), rng.uniform(22, 45)]) * rng.uniform(0.6, 1.0),
            _light(tone, rng.uniform(0.55, 1.0)),
            rng.uniform(3, 11),
        )
        cool = np.array([0.92, 1.0, 1.12]) if rng.random() < 0.6 else tone
        fill = Lamp(
            np.array([-side * rng.uniform(0, 60), rng.uniform(-60, -20), rng.uniform(40, 80)]),
            _light(cool, rng.uniform(0.1, 0.5)),
            rng.uniform(6, 16),
        )
        ambient = _light(0.5 * tone + 0.5, rng.uniform(0.16, 0.34))
        lamps = (key, fill)
        return cls(lamps, ambient, _matte(lamps, ambient), _gloss(lamps, ambient, rng))

    def falling_on(self, normal: Array) -> Array:
        """Light (3, N) on surfaces that face `normal` (3, N)."""
        return _looked_up(self.matte, normal)

    def mirrored(self, direction: Array) -> Array:
        """Light (3, N) that comes from `direction` (3, N)."""
        return _looked_up(self.gloss, direction)


def _light(tone: Array, strength: float) -> Array:
    return np.asarray(tone * strength, np.float32)


def _looked_up(ball: Array, direction: Array) -> Array:
    x, y, z = direction
    stretch = (_BALL / 2) / np.sqrt(np.maximum(2 * (1 - y), np.float32(1e-4)))
    column = np.clip((x * stretch + _BALL / 2).astype(np.int32), 0, _BALL - 1)
    row = np.clip((_BALL / 2 - z * stretch).astype(np.int32), 0, _BALL - 1)
    return np.stack([plane[row, column] for plane in ball])


@cache
def _directions() -> Array:
    """The direction (3, side, side) that each pixel of a mirror ball stands for; its middle looks at the viewer."""
    x, z = np.meshgrid((np.arange(_BALL) + 0.5) / (_BALL / 2) - 1, 1 - (np.arange(_BALL) + 0.5) / (_BALL / 2))
    square = np.minimum(x * x + z * z, 1)
    stretch = 2 * np.sqrt(1 - square)
    return np.stack([x * stretch, 2 * square - 1, z * stretch])


def _towards(lamp: Lamp) -> Array:
    """Cosine (side, side) between each direction and the lamp's."""
    unit = lamp.position / np.sqrt((lamp.position**2).sum())
    x, y, z = _directions()
    return np.asarray(unit[0] * x + unit[1] * y + unit[2] * z)


def _matte(lamps: tuple[Lamp, ...], ambient: Array) -> Array:
    _, y, z = _directions()
    sky = _planes(ambient) * (0.75 + 0.45 * z - 0.12 * y)
    for lamp in lamps:
        # A lamp is not a point: its light wraps a little around the edge.
        sky = sky + _planes(lamp.colour) * np.maximum((_towards(lamp) + 0.15) / 1.15, 0)
    return np.asarray(sky, np.float32)


def _gloss(lamps: tuple[Lamp, ...], ambient: Array, rng: np.random.Generator) -> Array:
    x, y, z = _directions()
    counter = np.clip(-z * 6, 0, 1)
    ball = _planes(ambient) * ((0.9 + 1.6 * np.clip(z, 0, 1)) * (1 - counter) + 0.05 * counter)
    behind = np.clip(y * 4, 0, 1) * (1 - counter)
    ball = ball * (1 - behind) + behind * _planes(lamps[0].colour * 0.35 + ambient * 0.5)
    for lamp in lamps:
        ball = ball + _planes(lamp.colour) * (9 * np.clip((_towards(lamp) - 0.965) / 0.03, 0, 1))
    for _ in range(int(rng.integers(1, 3))):
        ball = ball + _pane(rng, x, y, z) * _planes(0.5 * lamps[0].colour + 0.5) * rng.uniform(0.8, 2.2)
    return np.asarray(ball, np.float32)


def _planes(colour: Array) -> Array:
    return colour[:, None, None]


def _pane(rng: np.random.Generator, x: Array, y: Array, z: Array) -> Array:
    """A window behind the viewer: an upright bright rectangle with soft sides."""
    middle, width = rng.uniform(-1.3, 1.3), rng.uniform(0.12, 0.4)
    low, high = rng.uniform(0.05, 0.35), rng.uniform(0.7, 1.6)
    front = np.maximum(-y, 0.05)
    across, upward = x / front, z / np.sqrt(x * x + front * front)
    sides = np.clip((width - np.abs(across - middle)) / 0.08, 0, 1)
    return np.asarray(sides * np.clip((upward - low) / 0.1, 0, 1) * np.clip((high - upward) / 0.2, 0, 1) * (y < 0.05))
