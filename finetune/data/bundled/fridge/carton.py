"""A milk carton with a gable top."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from finetune.data.bundled.fridge.artwork import Palette, facts_page, front
from finetune.data.bundled.fridge.build import Build
from finetune.data.bundled.fridge.frames import Frame, turn
from finetune.data.bundled.fridge.lettering import MONTHS, write
from finetune.data.bundled.fridge.screw_cap import screw_cap
from finetune.data.bundled.fridge.solids import Panel, Part
from finetune.data.bundled.fridge.surface import Colour, Surface, plain, printed
from finetune.data.bundled.fridge.thing import Thing

_FACE_PX = 260


def carton(build: Build, rng: np.random.Generator) -> Thing:
    """A gable-top carton: a box, two slopes that meet in an upright fin, a cap on the front slope."""
    h, half = build.height, build.radius * 0.9
    eaves, ridge = h * rng.uniform(0.74, 0.79), h * rng.uniform(0.905, 0.925)
    tall = round(_FACE_PX * eaves / (2 * half))
    facts = printed(facts_page(build.palette, (_FACE_PX, tall), rng), 0.05)
    parts: list[Part] = _walls(half, eaves, _face(build.palette, tall, rng), facts)
    parts += _roof(half, eaves, ridge, h, _slope(build.palette, rng), _fin(build.palette, rng))
    if rng.random() < 0.8:
        parts += _spout(half, eaves, ridge, build.palette.cap)
    return Thing(tuple(parts), h, half, reach=1.3 * half)


def _face(palette: Palette, tall_px: int, rng: np.random.Generator) -> Surface:
    """The front, with a fine or a broad line around it."""
    picture = Image.new("RGB", (2 * _FACE_PX, 2 * tall_px), palette.ground)
    line = (16, 16, 2 * _FACE_PX - 17, 2 * tall_px - 17)
    ImageDraw.Draw(picture).rectangle(line, outline=palette.figure, width=int(rng.choice([1, 12])))
    front(picture, (0, 0, *picture.size), palette, int(rng.integers(0, 1 << 30)))
    return printed(picture.reduce(2), 0.05)


def _walls(half: float, eaves: float, face: Surface, side: Surface) -> list[Part]:
    corners = [(-half, -half), (half, -half), (half, half), (-half, half)]
    walls: list[Part] = []
    for k, surface in enumerate((face, side, face, side)):
        (x0, y0), (x1, y1) = corners[k], corners[(k + 1) % 4]
        quad = np.array([(x0, y0, 0.0), (x1, y1, 0.0), (x1, y1, eaves), (x0, y0, eaves)])
        walls.append(Panel(quad, surface, eaves))
    bottom = np.array([(-half, half, 0.0), (half, half, 0.0), (half, -half, 0.0), (-half, -half, 0.0)])
    return [*walls, Panel(bottom, plain((214, 208, 196)), 2 * half)]


def _roof(half: float, eaves: float, ridge: float, top: float, slope: Surface, fin: Surface) -> list[Part]:
    """Two slopes with folded-in gables between them, and the fin on top."""
    thin = 0.06 * half
    board = plain((226, 222, 214))
    gable = Surface(slope.print[60:100], slope.mirror)
    parts: list[Part] = []
    for frame in (Frame(), Frame(turn(2, math.pi))):
        left, right = (-half, -half, eaves), (half, -half, eaves)
        low, high = [(-half, -thin, ridge), (half, -thin, ridge)], [(half, -thin, top), (-half, -thin, top)]
        parts += [
            Panel(np.array([left, right, low[1], low[0]]), slope, math.hypot(half, ridge - eaves), frame),
            Panel(np.array([*low, *high]), fin, top - ridge, frame),
            Panel(np.array([right, (half, half, eaves), (0.72 * half, 0.0, ridge)]), gable, ridge - eaves, frame),
            Panel(np.array([low[1], (half, thin, ridge), (half, thin, top), high[0]]), board, top - ridge, frame),
        ]
    edge = [(-half, -thin, top), (half, -thin, top), (half, thin, top), (-half, thin, top)]
    return [*parts, Panel(np.array(edge), board, 2 * thin)]


def _slope(palette: Palette, rng: np.random.Generator) -> Surface:
    """The print of a slope: plain, or with a strip above and below."""
    picture = Image.new("RGB", (280, 160), palette.ground)
    draw = ImageDraw.Draw(picture)
    if rng.random() < 0.6:
        draw.rectangle((0, 110, 280, 160), fill=palette.accent)
        draw.rectangle((0, 0, 280, 28), fill=palette.figure)
    return printed(picture, 0.05)


def _fin(palette: Palette, rng: np.random.Generator) -> Surface:
    """The fin with its date."""
    picture = Image.new("RGB", (560, 96), palette.ground if rng.random() < 0.5 else (238, 236, 230))
    date = f"{rng.choice(MONTHS)} {int(rng.integers(1, 29)):02d}"
    write(ImageDraw.Draw(picture), date, (150, 28, 410, 68), (110, 108, 106), bold=0.14)
    return printed(picture.reduce(2), 0.05)


def _spout(half: float, eaves: float, ridge: float, colour: Colour) -> list[Part]:
    """A cap in the middle of the front slope, upright on it."""
    slope = math.atan2(ridge - eaves, half)
    frame = Frame(turn(0, slope), np.array([0.0, -half * 0.52, eaves + (ridge - eaves) * 0.48]))
    return [replace(band, frame=frame) for band in screw_cap(half * 0.42, 0.0, half * 0.36, colour)]
