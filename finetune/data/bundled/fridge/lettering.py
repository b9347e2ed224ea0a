"""Words on packages, drawn with strokes so that they need no font and look the same everywhere."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from finetune.data.bundled.fridge.surface import Colour

# Strokes of each capital on a grid of 4 × 6, row 0 above: "00-06" is a line from (0, 0) to (0, 6).
_STROKES = {
    "A": "06-20-46 14-34",
    "B": "06-00-30-41-42-33-03 33-44-45-36-06",
    "C": "41-30-10-01-05-16-36-45",
    "D": "00-06-26-44-42-20-00",
    "E": "40-00-06-46 03-33",
    "F": "40-00-06 03-33",
    "G": "41-30-10-01-05-16-36-45-43-23",
    "H": "00-06 40-46 03-43",
    "I": "20-26",
    "J": "40-45-36-16-05",
    "K": "00-06 40-03-46",
    "L": "00-06-46",
    "M": "06-00-23-40-46",
    "N": "06-00-46-40",
    "O": "10-30-41-45-36-16-05-01-10",
    "P": "06-00-30-41-42-33-03",
    "R": "06-00-30-41-42-33-03 23-46",
    "S": "41-30-10-01-02-13-33-44-45-36-16-05",
    "T": "00-40 20-26",
    "U": "00-05-16-36-45-40",
    "V": "00-26-40",
    "W": "00-16-22-36-40",
    "Y": "00-23-40 23-26",
    "Z": "00-40-06-46",
    "0": "10-30-41-45-36-16-05-01-10",
    "1": "11-20-26 16-36",
    "2": "01-10-30-41-42-06-46",
    "3": "01-10-30-41-42-33-23 33-44-45-36-16-05",
    "4": "36-30-04-44",
    "6": "40-10-01-05-16-36-45-44-33-03",
    "7": "00-40-16",
    "8": "10-30-41-42-33-13-02-01-10 13-04-05-16-36-45-44-33",
    "9": "43-13-02-01-10-30-41-45-36-06",
    "5": "40-00-02-32-43-45-36-06",
}
_ROUND = set("BCDGJOPRSU02356890")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
# fmt: off
_WORDS = (
    "ALBA", "BERRY", "BLUE", "BREEZE", "CASCADE", "CHERRY", "CLOVER", "CORAL", "COSMO", "CREST", "DAILY", "DAWN",
    "DELTA", "FARM", "FIZZ", "FRESCO", "GLACIER", "GOLD", "GROVE", "HARVEST", "HERON", "HILL", "ISLE", "KIWI",
    "LAGOON", "LEMON", "LIGHT", "LIMA", "LOTUS", "MANGO", "MEADOW", "MINT", "MONTE", "NEVA", "NORD", "OASIS", "OLIVE",
    "ORIGIN", "PEARL", "PLUM", "POLAR", "PURE", "RIVER", "ROSE", "RUSH", "SIERRA", "SODA", "SOL", "SPRING", "SUMMIT",
    "SUNNY", "TERRA", "TIDE", "TONIC", "TRIO", "TWIST", "VALE", "VERDE", "VITA", "WILD", "WINTER", "YUZU", "ZEST",
)
# fmt: on


def word(rng: np.random.Generator) -> str:
    """A brand or a flavour."""
    return str(rng.choice(_WORDS))


def write(
    draw: ImageDraw.ImageDraw,
    text: str,
    box: tuple[float, float, float, float],
    colour: Colour,
    *,
    bold: float = 0.2,
    slant: float = 0.0,
) -> None:
    """Fill a box (left, top, right, bottom) with capitals and digits; what is neither leaves a gap.

    Args:
        bold: Width of a stroke, as a share of a letter's width.
        slant: How far a letter leans, as a share of its height.
    """
    left, top, right, bottom = box
    advance = (right - left) / len(text)
    wide, tall = advance * 0.72, bottom - top
    width = max(1, round(wide * bold))
    for index, letter in enumerate(text):
        for stroke in _STROKES.get(letter, "").split():
            grid = [(int(point[0]) / 4, int(point[1]) / 6) for point in stroke.split("-")]
            start = left + index * advance
            points = [(start + wide * x + slant * tall * (1 - y), top + tall * y) for x, y in grid]
            draw.line(_rounded(points) if letter in _ROUND else points, fill=colour, width=width, joint="curve")


def _rounded(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The line with its corners cut twice (Chaikin), ends kept."""
    for _ in range(2):
        cut = [points[0]]
        for (x0, y0), (x1, y1) in pairwise(points):
            cut += [(0.75 * x0 + 0.25 * x1, 0.75 * y0 + 0.25 * y1), (0.25 * x0 + 0.75 * x1, 0.25 * y0 + 0.75 * y1)]
        points = [*cut, points[-1]]
    return points


def upright(picture: Image.Image, place: tuple[int, int], size: tuple[int, int], text: str, colour: Colour) -> None:
    """Write from below upwards in a box at `place` of `size` (width, height)."""
    across, along = size
    sheet = Image.new("RGB", (along, across))
    write(ImageDraw.Draw(sheet), text, (along * 0.02, across * 0.1, along, across * 0.9), (255, 255, 255))
    picture.paste(colour, place, sheet.convert("L").transpose(Image.Transpose.ROTATE_90))


def small_print(
    draw: ImageDraw.ImageDraw,
    box: tuple[float, float, float, float],
    lines: int,
    colour: Colour,
    rng: np.random.Generator,
) -> None:
    """Lines of writing too small to read: rows of dashes in a box."""
    left, top, right, bottom = box
    step = (bottom - top) / lines
    for line in range(lines):
        x, y = left, top + line * step
        end = right - rng.uniform(0, 0.35) * (right - left)
        while x < end:
            length = rng.uniform(0.5, 2.4) * step
            draw.rectangle((x, y, min(x + length, end), y + max(1, step * 0.3)), fill=colour)
            x += length + max(2, step * 0.5)


def bar_code(
    draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], ink: Colour, rng: np.random.Generator
) -> None:
    """A white field with black bars."""
    left, top, right, bottom = box
    draw.rectangle(box, fill=(236, 234, 228))
    x = left + 3
    while x < right - 4:
        width = int(rng.integers(1, 4))
        draw.rectangle((x, top + 3, x + width - 1, bottom - 4), fill=ink)
        x += width + int(rng.integers(1, 4))
