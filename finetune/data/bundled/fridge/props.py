"""Things that are in nobody's way to be named: fruit, a bowl, a flat box. They may hide a part of a package."""

from __future__ import annotations

import math

import numpy as np

from finetune.data.bundled.fridge.artwork import Palette, facts_page
from finetune.data.bundled.fridge.frames import Array
from finetune.data.bundled.fridge.profiles import curve
from finetune.data.bundled.fridge.solids import Band, Panel
from finetune.data.bundled.fridge.surface import Colour, Surface, plain, printed
from finetune.data.bundled.fridge.thing import Thing

_FRUIT: tuple[Colour, ...] = ((232, 130, 24), (238, 206, 60), (176, 30, 36), (128, 168, 48), (206, 196, 90))


def prop(rng: np.random.Generator) -> Thing:
    """Any of them."""
    return (fruit, bowl, flat_box)[int(rng.choice([0, 0, 1, 2]))](rng)


def fruit(rng: np.random.Generator) -> Thing:
    """An orange, a lemon, an apple: round, more or less, and flecked."""
    radius, long = rng.uniform(2.4, 3.8), rng.uniform(0.86, 1.15)
    dent = rng.uniform(0.0, 0.16)
    angles = np.linspace(-math.pi / 2, math.pi / 2, 25).tolist()
    points = [(math.cos(a), 1 + math.sin(a) - dent * max(0.0, math.sin(a)) ** 5) for a in angles]
    skin = Band(np.array(points) * [radius, radius * long], _skin(rng))
    low = radius * long * (1.9 - dent)
    stem = Band(np.array([(0.2, low), (0.14, low + 0.5), (0.0, low + 0.5)]), plain((74, 58, 36)))
    return Thing((skin, stem), 2 * radius * long, radius)


def _skin(rng: np.random.Generator) -> Surface:
    """A fruit's colour, another one's breath on one side, and freckles."""
    first, second = (np.array(_FRUIT[int(i)]) for i in rng.permutation(len(_FRUIT))[:2])
    across = 0.5 + 0.5 * np.cos(np.arange(256) * (2 * math.pi / 256) + rng.uniform(0, 6))
    share = np.broadcast_to(across * rng.uniform(0, 0.5), (96, 256))[..., None]
    freckles = np.where(rng.random((96, 256, 1)) < 0.03, 22, 0) + rng.integers(-5, 6, (96, 256, 1))
    return Surface(np.clip(first * (1 - share) + second * share + freckles, 0, 255).astype(np.uint8), 0.05)


def bowl(rng: np.random.Generator) -> Thing:
    """A bowl of one colour, with its inside."""
    radius, height = rng.uniform(4.0, 6.0), rng.uniform(3.0, 4.6)
    palette = Palette.drawn(rng)
    outside = curve(
        [(radius * 0.45, 0.0), (radius * 0.5, 0.1 * height), (radius * 0.85, 0.5 * height), (radius, height)]
    )
    inside = curve([(radius * 0.94, height), (radius * 0.78, 0.5 * height), (radius * 0.4, 0.16 * height)])
    rim = np.array([(radius, height), (radius * 0.94, height)])
    floor = np.array([(radius * 0.4, 0.16 * height), (0.0, 0.16 * height)])
    inner = plain(palette.figure, 0.07)
    glaze = plain(palette.ground, 0.07)
    return Thing((Band(outside, glaze), Band(rim, glaze), Band(inside, inner), Band(floor, inner)), height, radius)


def flat_box(rng: np.random.Generator) -> Thing:
    """A low printed box, as tea or crackers come in, lying flat."""
    a, b, height = rng.uniform(3.0, 5.0), rng.uniform(2.2, 3.2), rng.uniform(2.2, 4.0)
    palette = Palette.drawn(rng)
    top = printed(facts_page(palette, (200, 140), rng), 0.05)
    side = plain(palette.ground, 0.05)
    corners = np.array([(-a, -b), (a, -b), (a, b), (-a, b)])
    panels = [_upright(corners[k], corners[(k + 1) % 4], height, side) for k in range(4)]
    lid = np.column_stack([corners, np.full(4, height)])
    return Thing((*panels, Panel(lid, top, 2 * b)), height, math.hypot(a, b) * 0.95)


def _upright(left: Array, right: Array, height: float, surface: Surface) -> Panel:
    quad = np.array([(*left, 0.0), (*right, 0.0), (*right, height), (*left, height)])
    return Panel(quad, surface, height)
