"""What is printed on packages. Every kind of package draws from the same colours, motifs and words."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from finetune.data.bundled.fridge.lettering import bar_code, small_print, upright, word, write
from finetune.data.bundled.fridge.surface import Colour

_STRONG: tuple[Colour, ...] = (
    (86, 40, 146),
    (206, 32, 36),
    (0, 100, 188),
    (34, 128, 62),
    (232, 116, 20),
    (0, 138, 146),
    (214, 60, 120),
    (24, 40, 92),
    (120, 24, 44),
    (96, 62, 38),
    (32, 32, 36),
    (150, 190, 40),
)
_PALE: tuple[Colour, ...] = (
    (238, 236, 230),
    (240, 232, 212),
    (226, 234, 238),
    (250, 226, 160),
    (232, 212, 222),
    (206, 226, 200),
)


@dataclass(frozen=True)
class Palette:
    """The colours of one package.

    Args:
        ground: Covers most of it.
        figure: Stands out on `ground`.
        accent: A third one.
        cap: Of what closes it.
    """

    ground: Colour
    figure: Colour
    accent: Colour
    cap: Colour

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Palette:
        """Strong on pale or pale on strong, whatever the package."""
        first, second, third = (_STRONG[i] for i in rng.permutation(len(_STRONG))[:3])
        pale = _PALE[int(rng.integers(len(_PALE)))]
        cap = (_STRONG + _PALE)[int(rng.integers(len(_STRONG) + len(_PALE)))]
        if rng.random() < 0.5:
            return cls(first, pale, second, cap)
        return cls(pale, first, second if rng.random() < 0.7 else third, cap)


def wrap(palette: Palette, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """A print (width, height) that goes once around: two fronts with small print between them."""
    width, height = size[0] * 2, size[1] * 2  # drawn twice as large: smooth edges
    picture = Image.new("RGB", (width, height), palette.ground)
    draw = ImageDraw.Draw(picture)
    _border(draw, palette, (width, height), rng)
    side = width // 4
    style = int(rng.integers(0, 1 << 30))
    for left in (0, width // 2):
        front(picture, (left + side // 8, 0, left + width // 4 + side * 5 // 8, height), palette, style)
    for left in (width * 3 // 8 + side // 4, width * 7 // 8 + side // 4):
        _facts(draw, (left - side // 8, height * 0.2, left + side // 2, height * 0.92), palette, rng)
    return picture.reduce(2)


def front(picture: Image.Image, box: tuple[int, int, int, int], palette: Palette, style: int) -> None:
    """The face of a package: a brand, a word below it and a motif. The same `style` draws the same face."""
    rng = np.random.Generator(np.random.PCG64(style))
    left, top, right, bottom = box
    wide, tall = right - left, bottom - top
    draw = ImageDraw.Draw(picture)
    if rng.random() < 0.25:
        across = round(wide * rng.uniform(0.3, 0.45))
        place = (round(left + wide * 0.1), round(top + tall * 0.12))
        upright(picture, place, (across, round(tall * 0.76)), word(rng), palette.figure)
        _motif(draw, (left + wide * 0.58, top + tall * 0.15, right - wide * 0.06, top + tall * 0.5), palette, rng)
        small_print(draw, (left + wide * 0.6, top + tall * 0.6, right, top + tall * 0.85), 6, palette.accent, rng)
        return
    _brand(draw, (left + wide * 0.08, top + tall * 0.1, right - wide * 0.08, top + tall * 0.3), palette, rng)
    y = top + tall * 0.38
    for _ in range(int(rng.integers(1, 3))):
        text = word(rng)
        half = min(wide * 0.44, tall * 0.055 * len(text))
        middle = (left + right) / 2
        box_of_word = (middle - half, y, middle + half, y + tall * 0.1)
        write(draw, text, box_of_word, palette.figure, bold=rng.uniform(0.16, 0.3), slant=rng.choice([0, 0.2]))
        y += tall * 0.14
    small_print(draw, (left + wide * 0.28, y, right - wide * 0.2, y + tall * 0.05), 2, palette.figure, rng)
    _motif(draw, (left + wide * 0.15, y + tall * 0.08, right - wide * 0.15, bottom - tall * 0.1), palette, rng)


def _brand(
    draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], palette: Palette, rng: np.random.Generator
) -> None:
    """The maker's name in an oval, on a bar, or alone."""
    left, top, right, bottom = box
    inner = (left + (right - left) * 0.16, top + (bottom - top) * 0.3, right - (right - left) * 0.13, bottom)
    inner = (*inner[:3], bottom - (bottom - top) * 0.28)
    shape = int(rng.integers(0, 3))
    if shape == 0:
        draw.ellipse(box, fill=palette.accent, outline=palette.figure, width=max(2, round((bottom - top) * 0.05)))
    elif shape == 1:
        draw.rounded_rectangle(box, (bottom - top) * 0.25, fill=palette.accent)
    pale = _PALE[0] if sum(palette.accent) < 480 else palette.ground
    write(draw, word(rng)[:6], inner, pale if shape < 2 else palette.figure, bold=0.26)


def _border(draw: ImageDraw.ImageDraw, palette: Palette, size: tuple[int, int], rng: np.random.Generator) -> None:
    """What happens at the upper and lower end: nothing, bars, waves, or drops that run down."""
    width, height = size
    kind = int(rng.choice([0, 1, 2, 3, 3]))
    if kind == 1:
        draw.rectangle((0, height * 0.9, width, height), fill=palette.accent)
        draw.rectangle((0, height * 0.87, width, height * 0.885), fill=palette.figure)
    if kind >= 2:
        waves, phase = int(rng.integers(2, 9)), rng.uniform(0, 6)
        edge = [
            (x, math.sin(2 * math.pi * waves * x / width + phase) + 0.5 * math.sin(4 * math.pi * waves * x / width))
            for x in range(0, width + 8, 8)
        ]
        below = [(x, height * (0.84 + 0.035 * y)) for x, y in edge]
        draw.polygon([*below, (width, height), (0, height)], fill=palette.accent)
        if kind == 3:
            above = [(x, height * (0.07 + 0.025 * y)) for x, y in edge]
            draw.polygon([*above, (width, 0), (0, 0)], fill=palette.accent)


def _motif(
    draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], palette: Palette, rng: np.random.Generator
) -> None:
    """A picture of sorts: fruit, a cup that steams, hills, or rings."""
    left, top, right, bottom = box
    wide, tall = right - left, bottom - top
    if wide < 8 or tall < 8:
        return
    kind = int(rng.integers(0, 4))
    if kind == 0:
        for _ in range(int(rng.integers(3, 7))):
            x, y = left + rng.random() * wide, top + rng.random() * tall
            size = rng.uniform(0.1, 0.2) * wide
            draw.ellipse((x - size, y - size, x + size, y + size), fill=palette.accent)
            draw.ellipse((x - size * 0.5, y - size * 0.6, x - size * 0.1, y - size * 0.2), fill=palette.figure)
    elif kind == 1:
        line = max(2, round(wide * 0.04))
        draw.chord((left, top - tall * 0.1, right, bottom), 0, 180, fill=palette.figure)
        draw.arc(
            (right - wide * 0.15, top + tall * 0.4, right + wide * 0.12, top + tall * 0.75),
            -90,
            120,
            palette.figure,
            line,
        )
        steam = [(left + wide * (0.5 + 0.1 * math.sin(k)), top + tall * (0.4 - k * 0.09)) for k in range(6)]
        draw.line(steam, fill=palette.figure, width=line, joint="curve")
    elif kind == 2:
        for k, colour in enumerate((palette.accent, palette.figure)):
            peak = left + wide * rng.uniform(0.25, 0.75)
            draw.polygon([(left, bottom), (peak, top + tall * 0.3 * (k + 1)), (right, bottom)], fill=colour)
    else:
        for k in range(3):
            inset = k * 0.16 * min(wide, tall)
            ring = (left + inset, top + inset, right - inset, bottom - inset)
            draw.ellipse(ring, fill=(palette.accent, palette.figure, palette.ground)[k])


def _facts(
    draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], palette: Palette, rng: np.random.Generator
) -> None:
    """Ingredients and a bar code."""
    left, top, right, bottom = box
    middle = bottom - (bottom - top) * 0.3
    small_print(draw, (left, top, right, middle - 6), 22, palette.figure, rng)
    bar_code(draw, (left, middle, right, bottom), (30, 30, 34), rng)


def facts_page(palette: Palette, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """The side of a package: small print, a table, a bar code."""
    width, height = size[0] * 2, size[1] * 2
    picture = Image.new("RGB", (width, height), palette.ground)
    draw = ImageDraw.Draw(picture)
    title = (width * 0.15, height * 0.06, width * 0.9, height * 0.12)
    write(draw, word(rng), title, palette.figure, bold=0.25)
    draw.rectangle((width * 0.12, height * 0.16, width * 0.88, height * 0.5), outline=palette.figure, width=3)
    small_print(draw, (width * 0.18, height * 0.19, width * 0.82, height * 0.49), 9, palette.figure, rng)
    _facts(draw, (width * 0.15, height * 0.55, width * 0.85, height * 0.95), palette, rng)
    return picture.reduce(2)
