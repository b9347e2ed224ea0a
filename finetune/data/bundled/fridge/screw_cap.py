"""What bottles and cartons are closed with."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from finetune.data.bundled.fridge.profiles import curve
from finetune.data.bundled.fridge.solids import Band
from finetune.data.bundled.fridge.surface import Colour, plain, printed


def screw_cap(radius: float, low: float, high: float, colour: Colour) -> list[Band]:
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
