"""The four things to tell apart. Their colours, prints, sizes and slenderness come from the same draw;
only how they are built differs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from finetune.data.bundled.artwork import Palette, facts_page, front, wrap
from finetune.data.bundled.frames import Array, Frame, turn
from finetune.data.bundled.lettering import write
from finetune.data.bundled.profiles import curve
from finetune.data.bundled.solids import Band, Panel, Part
from finetune.data.bundled.surface import Clear, Colour, Surface, plain, printed
from finetune.data.bundled.thing import Thing

_WRAP_PX = (640, 448)


@dataclass(frozen=True)
class Build:
    """What a package is to be like, whatever it is.

    Args:
        height: In cm.
        slenderness: Width divided by height.
        palette: Its colours.
    """

    height: float
    slenderness: float
    palette: Palette

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Build:
        """The same for all classes."""
        return cls(rng.uniform(11.5, 19), rng.uniform(0.36, 0.5), Palette.drawn(rng))

    @property
    def radius(self) -> float:
        """Half the width, in cm."""
        return self.height * self.slenderness / 2


def can(build: Build, rng: np.random.Generator) -> Thing:
    """A drinks can: a painted cylinder that narrows to a rim, with a sunken lid and a tab."""
    h, r = build.height, build.radius
    neck = r * rng.uniform(0.78, 0.86)
    foot, rim = 0.06 * r, 0.10 * r
    body = curve([(r * 0.8, 0.0), (r * 0.86, foot), (r, r * 0.28)])
    shoulder = curve([(r, h - r * 0.62), (r * 0.99, h - r * 0.5), (neck * 1.02, h - rim * 1.6), (neck, h - rim)])
    lip = curve([(neck, h - rim), (neck * 1.045, h - rim * 0.5), (neck * 1.02, h), (neck * 0.93, h)])
    metal = plain((196, 198, 200), 0.55, 1.0)
    paint = printed(wrap(build.palette, _WRAP_PX, rng), rng.uniform(0.05, 0.14), 0.2)
    parts = (
        Band(np.array([(0.0, 0.0), (r * 0.8, 0.0)]), metal),
        Band(np.concatenate([body, shoulder]), paint),
        Band(lip, metal),
        Band(np.array([(neck * 0.93, h), (neck * 0.88, h - rim * 1.5)]), metal),
        Band(np.array([(neck * 0.88, h - rim * 1.5), (0.0, h - rim * 1.5)]), _lid(), flat_print=True),
    )
    return Thing(parts, h, r)


def _lid() -> Surface:
    """A can's lid with the score of its opening and the tab, seen from above."""
    side = 160
    picture = Image.new("RGB", (side, side), (200, 202, 204))
    draw = ImageDraw.Draw(picture)
    for inset, grey in ((6, 120), (9, 214), (16, 150), (18, 196)):
        draw.ellipse((inset, inset, side - inset, side - inset), fill=(grey, grey, grey + 3))
    draw.ellipse((54, 86, 106, 140), outline=(120, 120, 124), width=3)
    draw.rounded_rectangle((60, 22, 100, 96), 19, fill=(92, 92, 96))
    draw.rounded_rectangle((61, 19, 99, 93), 19, fill=(232, 233, 235), outline=(150, 150, 154), width=2)
    draw.ellipse((68, 26, 92, 50), fill=(104, 104, 110))
    draw.ellipse((74, 68, 86, 80), fill=(168, 168, 172))
    return printed(picture.filter(ImageFilter.GaussianBlur(0.8)), 0.32, 1.0)


def milk_bottle(build: Build, rng: np.random.Generator) -> Thing:
    """An opaque bottle: shoulder, waist, a sleeve or a label, a broad cap."""
    h, r = build.height, build.radius
    neck = r * rng.uniform(0.5, 0.6)
    cap_z = h * rng.uniform(0.86, 0.89)
    neck_z = cap_z - h * rng.uniform(0.02, 0.08)
    shoulder = rng.uniform(0.64, 0.72) * h
    waist = r * rng.uniform(0.84, 0.98)
    profile = curve(
        [
            (r * 0.84, 0.0),
            (r * 0.95, 0.02 * h),
            (r * 0.97, 0.06 * h),
            (r * 0.95, 0.2 * h),
            (waist, rng.uniform(0.3, 0.42) * h),
            (r * 0.98, shoulder - 0.1 * h),
            (r, shoulder),
            ((r + neck) / 2, (shoulder + neck_z) / 2 + 0.02 * h),
            (neck, neck_z),
            (neck * 1.08, cap_z),
        ]
    )
    parts: list[Part] = [Band(np.array([(0.0, 0.0), (r * 0.84, 0.0)]), plain(build.palette.ground))]
    parts.append(Band(profile, printed(_sleeve(build.palette, rng), rng.uniform(0.04, 0.07))))
    parts += _cap(neck * 1.14, cap_z, h, build.palette.cap)
    return Thing(tuple(parts), h, r)


def _sleeve(palette: Palette, rng: np.random.Generator) -> Image.Image:
    """A print for the whole bottle, or a label around plain white or coloured plastic."""
    width, height = _WRAP_PX
    picture = Image.new("RGB", _WRAP_PX, palette.ground if rng.random() < 0.6 else palette.figure)
    top, bottom = (height // 4, height) if rng.random() < 0.6 else (height * 3 // 8, height * 7 // 8)
    picture.paste(wrap(palette, (width, bottom - top), rng), (0, top))
    return picture


def water_bottle(build: Build, rng: np.random.Generator) -> Thing:
    """A clear bottle: ribbed below, a long shoulder, a label around its middle, a small cap."""
    h, r = build.height, build.radius
    neck = r * rng.uniform(0.34, 0.44)
    cap_z = h * rng.uniform(0.91, 0.935)
    label_low, label_high = rng.uniform(0.22, 0.32) * h, rng.uniform(0.54, 0.62) * h
    shoulder = label_high + rng.uniform(0.02, 0.06) * h
    clear = _plastic(rng)
    below = _ribbed(curve([(r * 0.98, 0.14 * h), (r, label_low)]), r, int(rng.integers(0, 4)))
    above = curve(
        [
            (r, label_high),
            (r, shoulder),
            (r * 0.9, shoulder + 0.35 * (cap_z - shoulder)),
            (neck * 1.25, shoulder + 0.75 * (cap_z - shoulder)),
            (neck, cap_z - 0.03 * h),
            (neck, cap_z),
        ]
    )
    bottom = curve([(r * 0.3, 0.05 * h), (r * 0.7, 0.055 * h), (r * 0.93, 0.09 * h), (r * 0.98, 0.14 * h)])
    label = wrap(build.palette, (_WRAP_PX[0], 256), rng)
    parts: list[Part] = [Band(np.array([(r, label_low), (r, label_high)]), printed(label, 0.05))]
    parts += _cap(neck * 1.18, cap_z, h, build.palette.cap)
    parts.append(Band(np.array([(neck, cap_z - 0.02 * h), (neck * 1.3, cap_z - 0.012 * h), (neck, cap_z)]), clear))
    parts += [Band(profile, clear) for profile in (bottom, below, above)]
    parts += _feet(r, h, clear)
    return Thing(tuple(parts), h, r)


def _plastic(rng: np.random.Generator) -> Surface:
    tints = ((0.96, 0.97, 0.97), (0.82, 0.93, 1.0), (0.78, 0.96, 0.84), (0.96, 0.86, 0.92))
    liquids = (
        (0.97, 0.98, 0.98),
        (0.97, 0.98, 0.98),
        (0.95, 0.55, 0.35),
        (0.96, 0.86, 0.4),
        (0.9, 0.4, 0.5),
        (0.5, 0.75, 0.95),
    )
    tint = tints[int(rng.integers(len(tints)))]
    liquid = liquids[int(rng.integers(len(liquids)))]
    white = np.full((1, 1, 3), 255, np.uint8)
    return Surface(white, clear=Clear(tint, liquid, rng.uniform(0.3, 0.86)))


def _feet(radius: float, height: float, clear: Surface) -> list[Part]:
    """The five bulges that such a bottle stands on."""
    wide = 0.4 * radius
    points = [(0.0, 0.0), (0.5, 0.0), (0.85, 0.035), (1.0, 0.085), (0.8, 0.13), (0.0, 0.16)]
    profile = curve([(r * wide, z * height) for r, z in points], steps=3)
    turns = [2 * math.pi * k / 5 for k in range(5)]
    places = [np.array([0.57 * radius * math.sin(angle), 0.57 * radius * math.cos(angle), 0.0]) for angle in turns]
    return [Band(profile, clear, frame=Frame(origin=place)) for place in places]


def _ribbed(profile: Array, radius: float, ribs: int) -> Array:
    share = np.linspace(0, 1, len(profile))
    wave = np.array([0.03 * radius * (1 - math.cos(2 * math.pi * ribs * s)) for s in share])
    return np.column_stack([profile[:, 0] - wave, profile[:, 1]])


def _cap(radius: float, low: float, high: float, colour: Colour) -> list[Part]:
    """A screw cap with grooves."""
    grooves = Image.new("RGB", (360, 4), colour)
    draw = ImageDraw.Draw(grooves)
    for x in range(0, 360, 8):
        draw.rectangle((x, 0, x + 3, 4), fill=tuple(part * 4 // 5 for part in colour))
    bevel = min(0.12 * radius, (high - low) * 0.2)
    return [
        Band(np.array([(0.0, low), (radius, low)]), plain(colour)),
        Band(np.array([(radius, low), (radius * 0.985, high - bevel)]), printed(grooves, 0.05)),
        Band(
            curve([(radius * 0.985, high - bevel), (radius * 0.97, high - bevel * 0.3), (radius * 0.9, high)]),
            plain(colour, 0.05),
        ),
        Band(np.array([(radius * 0.9, high), (0.0, high)]), plain(colour, 0.05)),
    ]


def carton(build: Build, rng: np.random.Generator) -> Thing:
    """A gable-top carton: a box, two slopes that meet in an upright fin, a cap on the front slope."""
    h, half = build.height, build.radius * 0.9
    eaves, ridge = h * rng.uniform(0.74, 0.79), h * rng.uniform(0.905, 0.925)
    ground = build.palette.ground
    style = int(rng.integers(0, 1 << 30))
    tall = round(260 * eaves / (2 * half))
    face = Image.new("RGB", (520, 2 * tall), ground)
    frame = int(rng.choice([1, 12]))
    ImageDraw.Draw(face).rectangle((16, 16, 503, 2 * tall - 17), outline=build.palette.figure, width=frame)
    front(face, (0, 0, 520, 2 * tall), build.palette, style)
    face = face.reduce(2)
    facts = facts_page(build.palette, (260, tall), rng)
    parts: list[Part] = _walls(half, eaves, printed(face, 0.05), printed(facts, 0.05))
    parts += _roof(half, eaves, ridge, h, build.palette, rng)
    if rng.random() < 0.8:
        parts += _spout(half, eaves, ridge, build.palette.cap)
    return Thing(tuple(parts), h, half)


def _walls(half: float, eaves: float, face: Surface, side: Surface) -> list[Part]:
    corners = [(-half, -half), (half, -half), (half, half), (-half, half)]
    walls: list[Part] = []
    for k, surface in enumerate((face, side, face, side)):
        (x0, y0), (x1, y1) = corners[k], corners[(k + 1) % 4]
        quad = np.array([(x0, y0, 0.0), (x1, y1, 0.0), (x1, y1, eaves), (x0, y0, eaves)])
        walls.append(Panel(quad, surface, eaves))
    bottom = np.array([(-half, half, 0.0), (half, half, 0.0), (half, -half, 0.0), (-half, -half, 0.0)])
    return [*walls, Panel(bottom, plain((214, 208, 196)), 2 * half)]


def _roof(
    half: float, eaves: float, ridge: float, top: float, palette: Palette, rng: np.random.Generator
) -> list[Part]:
    """Slopes with a strip of print, the folded-in gables, and the fin."""
    slope = Image.new("RGB", (280, 160), palette.ground)
    draw = ImageDraw.Draw(slope)
    if rng.random() < 0.6:
        draw.rectangle((0, 110, 280, 160), fill=palette.accent)
        draw.rectangle((0, 0, 280, 28), fill=palette.figure)
    slope_surface = printed(slope, 0.05)
    fin = Image.new("RGB", (280, 48), palette.ground if rng.random() < 0.5 else (238, 236, 230))
    stamp = "".join("0550"[int(k)] for k in rng.integers(0, 4, 8))
    write(ImageDraw.Draw(fin), stamp, (70, 12, 220, 30), (110, 108, 106), bold=0.14)
    fin_surface = printed(fin, 0.05)
    long = math.hypot(half, ridge - eaves)
    thin = 0.06 * half
    parts: list[Part] = []
    for sign in (1.0, -1.0):
        a, b = np.array([-half, -half]) * sign, np.array([half, -half]) * sign
        edge = np.array([0.0, -thin]) * sign
        low = [(*a, eaves), (*b, eaves)]
        parts.append(Panel(np.array([*low, (b[0], edge[1], ridge), (a[0], edge[1], ridge)]), slope_surface, long))
        upright = [(a[0], edge[1], ridge), (b[0], edge[1], ridge), (b[0], edge[1], top), (a[0], edge[1], top)]
        parts.append(Panel(np.array(upright), fin_surface, top - ridge))
        c = np.array([half, half]) * sign
        inset = np.array([0.72 * half, 0.0]) * sign
        parts.append(Panel(np.array([(*b, eaves), (*c, eaves), (*inset, ridge)]), plain(palette.ground), long))
        side = [(b[0], -thin, ridge), (b[0], thin, ridge), (b[0], thin, top), (b[0], -thin, top)]
        parts.append(
            Panel(
                np.array(side if sign > 0 else [side[1], side[0], side[3], side[2]]),
                plain((226, 222, 214)),
                top - ridge,
            )
        )
    lid = [(-half, -thin, top), (half, -thin, top), (half, thin, top), (-half, thin, top)]
    return [*parts, Panel(np.array(lid), plain((226, 222, 214)), 2 * thin)]


def _spout(half: float, eaves: float, ridge: float, colour: Colour) -> list[Part]:
    angle = math.atan2(ridge - eaves, half)
    middle = np.array([0.0, -half * 0.52, eaves + (ridge - eaves) * 0.48])
    frame = Frame(turn(0, math.pi / 2 - (math.pi / 2 - angle)), middle)
    parts = _cap(half * 0.42, 0.0, half * 0.36, colour)
    return [Band(part.profile, part.surface, frame=frame) for part in parts if isinstance(part, Band)]


PACKAGES: dict[str, Callable[[Build, np.random.Generator], Thing]] = {
    "can": can,
    "carton": carton,
    "milk_bottle": milk_bottle,
    "water_bottle": water_bottle,
}
