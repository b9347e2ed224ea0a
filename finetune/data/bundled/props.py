"""Things that are in nobody's way to be named: fruit, a bowl, a flat box. They may hide a part of a package."""

from __future__ import annotations

import math

import numpy as np

from finetune.data.bundled.artwork import Palette, facts_page
from finetune.data.bundled.frames import Array
from finetune.data.bundled.profiles import curve
from finetune.data.bundled.solids import Band, Panel
from finetune.data.bundled.surface import Colour, Surface, plain, printed
from finetune.data.bundled.thing import Thing

_FRUIT: tuple[Colour, ...] = ((232, 130, 24), (238, 206, 60), (176, 30, 36), (128, 168, 48), (206, 196, 90))


def prop(rng: np.random.Generator) -> Thing:
    """Any of them."""
    return (fruit, bowl, flat_box)[int(rng.choice([0, 0, 1, 2]))](rng)


def fruit(rng: np.random.Generator) -> Thing:
    """An orange, a lemon, an apple: round, more or less."""
    radius, long = rng.uniform(2.4, 3.8), rng.uniform(0.86, 1.2)
    dent = rng.uniform(0.0, 0.3)
    angles = np.linspace(-math.pi / 2, math.pi / 2, 25)
    r = np.array([radius * math.cos(a) for a in angles])
    z = np.array([radius * long * (1 + math.sin(a) - dent * max(0.0, math.sin(a)) ** 9) for a in angles])
    r[[0, -1]] = 0.0
    skin = plain(_FRUIT[int(rng.integers(len(_FRUIT)))], 0.05)
    return Thing((Band(np.column_stack([r, z]), skin),), 2 * radius * long, radius)


def bowl(rng: np.random.Generator) -> Thing:
    """A bowl of one colour, with its inside."""
    radius, height = rng.uniform(4.0, 6.0), rng.uniform(3.0, 4.6)
    palette = Palette.drawn(rng)
    outside = curve(
        [(radius * 0.45, 0.0), (radius * 0.5, 0.1 * height), (radius * 0.85, 0.5 * height), (radius, height)]
    )
    inside = curve(
        [(radius * 0.94, height), (radius * 0.78, 0.5 * height), (radius * 0.4, 0.16 * height), (0.0, 0.12 * height)]
    )
    rim = np.array([(radius, height), (radius * 0.94, height)])
    glaze = plain(palette.ground, 0.07)
    return Thing((Band(outside, glaze), Band(rim, glaze), Band(inside, plain(palette.figure, 0.07))), height, radius)


def flat_box(rng: np.random.Generator) -> Thing:
    """A low printed box, as tea or crackers come in, lying flat."""
    a, b, height = rng.uniform(3.0, 5.0), rng.uniform(2.2, 3.2), rng.uniform(2.2, 4.0)
    palette = Palette.drawn(rng)
    top = printed(facts_page(palette, (200, 140), rng), 0.05)
    side = plain(palette.ground, 0.05)
    corners = np.array([(-a, -b), (a, -b), (a, b), (-a, b)])
    panels = [_upright(corners[k], corners[(k + 1) % 4], height, side) for k in range(4)]
    lid = np.column_stack([corners, np.full(4, height)])
    return Thing((*panels, Panel(lid, top, 2 * b)), height, math.hypot(a, b) * 0.9)


def _upright(left: Array, right: Array, height: float, surface: Surface) -> Panel:
    quad = np.array([(*left, 0.0), (*right, 0.0), (*right, height), (*left, height)])
    return Panel(quad, surface, height)
