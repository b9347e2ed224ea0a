"""An opaque bottle of milk and a clear bottle of water."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from finetune.data.bundled.fridge.artwork import Palette, wrap
from finetune.data.bundled.fridge.build import WRAP_PX, Build
from finetune.data.bundled.fridge.frames import Array, Frame
from finetune.data.bundled.fridge.profiles import curve
from finetune.data.bundled.fridge.screw_cap import screw_cap
from finetune.data.bundled.fridge.solids import Band, Part
from finetune.data.bundled.fridge.surface import Clear, Surface, plain, printed
from finetune.data.bundled.fridge.thing import Thing


def milk_bottle(build: Build, rng: np.random.Generator) -> Thing:
    """An opaque bottle: shoulder, waist, a sleeve or a label, a broad cap."""
    h, r = build.height, build.radius
    neck = r * rng.uniform(0.48, 0.58)
    cap_z = h * rng.uniform(0.875, 0.9)
    neck_z = cap_z - h * rng.uniform(0.02, 0.08)
    shoulder = rng.uniform(0.6, 0.68) * h
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
    parts += screw_cap(neck * 1.14, cap_z, h, build.palette.cap)
    return Thing(tuple(parts), h, r)


def _sleeve(palette: Palette, rng: np.random.Generator) -> Image.Image:
    """A print for the whole bottle, or a label around plain white or coloured plastic."""
    width, height = WRAP_PX
    picture = Image.new("RGB", WRAP_PX, palette.ground if rng.random() < 0.6 else palette.figure)
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
    label = wrap(build.palette, (WRAP_PX[0], 256), rng)
    parts: list[Part] = [Band(np.array([(r, label_low), (r, label_high)]), printed(label, 0.05))]
    parts += screw_cap(neck * 1.18, cap_z, h, build.palette.cap)
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
