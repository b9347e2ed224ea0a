"""A drinks can."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from finetune.data.bundled.fridge.artwork import wrap
from finetune.data.bundled.fridge.build import WRAP_PX, Build
from finetune.data.bundled.fridge.profiles import curve
from finetune.data.bundled.fridge.solids import Band
from finetune.data.bundled.fridge.surface import Surface, plain, printed
from finetune.data.bundled.fridge.thing import Thing


def can(build: Build, rng: np.random.Generator) -> Thing:
    """A drinks can: a painted cylinder that narrows to a rim, with a sunken lid and a tab."""
    h, r = build.height, build.radius
    neck = r * rng.uniform(0.78, 0.86)
    foot, rim = 0.06 * r, 0.10 * r
    body = curve([(r * 0.8, 0.0), (r * 0.86, foot), (r, r * 0.28)])
    shoulder = curve([(r, h - r * 0.62), (r * 0.99, h - r * 0.5), (neck * 1.02, h - rim * 1.6), (neck, h - rim)])
    lip = curve([(neck, h - rim), (neck * 1.045, h - rim * 0.5), (neck * 1.02, h), (neck * 0.93, h)])
    metal = plain((196, 198, 200), 0.55, 1.0)
    paint = printed(wrap(build.palette, WRAP_PX, rng), rng.uniform(0.05, 0.14), 0.2)
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
    return printed(picture.filter(ImageFilter.GaussianBlur(0.8)), 0.32, 0.5)
