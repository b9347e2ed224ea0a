"""What an image of a formula is called where other images have a path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeGuard

import numpy as np
from PIL import Image

from finetune.data.formula.families import FAMILIES, draw

SCHEME = "formula:"
SMALLEST_PX, LARGEST_PX = 8, 1024  # as of data.image_size_px
_PATTERN = re.compile(rf"^{SCHEME}(\w+)/(\d+)/(\d+)px/(\d+)/(\d+)$")


class FormulaName(NamedTuple):
    """All that an image of a formula depends on.

    >>> FormulaName("fractals", 7, 64, 12, 3).text
    'formula:fractals/7/64px/0012/00003'
    >>> parse_name("formula:fractals/7/64px/0012/00003") == FormulaName("fractals", 7, 64, 12, 3)
    True
    """

    family: str
    seed: int
    size_px: int
    class_number: int
    instance: int

    @property
    def text(self) -> str:
        """As it stands where other images have a path."""
        return f"{SCHEME}{self.family}/{self.seed}/{self.size_px}px/{self.class_number:04}/{self.instance:05}"


def is_formula(path: object) -> TypeGuard[str]:
    """Whether a path is the name of an image that is drawn."""
    return isinstance(path, str) and path.startswith(SCHEME)


def parse_name(text: str) -> FormulaName:
    """The name that stands in a text.

    Raises:
        FileNotFoundError: no formula has such a name.
    """
    found = _PATTERN.match(text)
    if found is None or found[1] not in FAMILIES or not SMALLEST_PX <= int(found[3]) <= LARGEST_PX:
        raise FileNotFoundError(text)
    return FormulaName(found[1], *(int(number) for number in found.groups()[1:]))


def draw_named(names: Sequence[str]) -> list[Image.Image]:
    """The images of these names, those that share family, seed and size together.

    Raises:
        FileNotFoundError: no formula has such a name.
    """
    parsed = [parse_name(name) for name in names]
    images: dict[int, Image.Image] = {}
    for family, seed, size_px in dict.fromkeys(name[:3] for name in parsed):
        places = [place for place, name in enumerate(parsed) if name[:3] == (family, seed, size_px)]
        classes, instances = (np.array([parsed[place][column] for place in places]) for column in (3, 4))
        pixels = draw(family, seed, size_px, classes, instances).transpose(0, 2, 3, 1)
        images |= {place: Image.fromarray(image) for place, image in zip(places, pixels, strict=True)}
    return [images[place] for place in range(len(parsed))]
