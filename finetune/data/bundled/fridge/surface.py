"""How a part looks: what is printed on it and how light meets it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from finetune.data.bundled.fridge.frames import Array

Colour = tuple[int, int, int]

# What the eye sees (0 … 255) as amounts of light (0 … 1): gamma 2.2.
LIGHT_OF_GREY = np.array([(grey / 255) ** 2.2 for grey in range(256)], np.float32)


@dataclass(frozen=True)
class Clear:
    """Plastic that is looked through.

    Args:
        tint: What of red, green and blue light comes through, 0 … 1.
        liquid: What of it comes through the liquid.
        level: How full, as a share of the bottle's height (lying: of its thickness).
    """

    tint: tuple[float, float, float]
    liquid: tuple[float, float, float]
    level: float


@dataclass(frozen=True)
class Surface:
    """A print, and how much of the room it mirrors.

    Args:
        print: (rows, columns, 3) uint8, what is printed on the part.
        mirror: Share of light that is mirrored when looked at head-on.
        metal: 0 … 1; a metal mirrors in its own colour.
        clear: Set where the part is looked through.
    """

    print: Array
    mirror: float = 0.04
    metal: float = 0.0
    clear: Clear | None = None

    def albedo(self, u: Array, v: Array) -> Array:
        """The share of light (3, N) that the print throws back at places `u`, `v` in 0 … 1."""
        rows, columns = self.print.shape[:2]
        x = np.clip((u * columns).astype(np.int32), 0, columns - 1)
        y = np.clip((v * rows).astype(np.int32), 0, rows - 1)
        return np.asarray(LIGHT_OF_GREY[np.ascontiguousarray(self.print[y, x].T)])


def plain(colour: Colour, mirror: float = 0.04, metal: float = 0.0) -> Surface:
    """A surface of one colour."""
    return Surface(np.array([[colour]], np.uint8), mirror, metal)


def printed(picture: Image.Image, mirror: float = 0.04, metal: float = 0.0) -> Surface:
    """A surface with a picture on it."""
    return Surface(np.asarray(picture.convert("RGB")), mirror, metal)
