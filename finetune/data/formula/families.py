"""Families of formulas, and their images in batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from finetune.data.formula.fractals import draw_fractals
from finetune.data.formula.lines import draw_lines
from finetune.data.formula.solids import draw_solids
from finetune.data.formula.turned import draw_turned

Drawer = Callable[[int, np.ndarray, np.ndarray, int], np.ndarray]

FAMILIES: dict[str, tuple[Drawer, ...]] = {
    "fractals": (draw_fractals,),
    "contours": (draw_lines, draw_turned, draw_lines, draw_solids),
    "mixed": (draw_lines, draw_turned, draw_lines, draw_turned, draw_lines, draw_solids, draw_fractals),
}
"""By name, the drawers whose turn it is from one class to the next."""


def draw(family: str, seed: int, size_px: int, classes: np.ndarray, instances: np.ndarray) -> np.ndarray:
    """Images by name.

    Args:
        family: One of `FAMILIES`.
        seed: Another seed makes other classes.
        size_px: Side in pixels.
        classes, instances: (n,) whole numbers: each image's class, and which of the class's images it is.
    Returns:
        (n, 3, size_px, size_px) uint8. The same name gives the same pixels on every machine, in whatever batch.

    >>> draw("fractals", 0, 32, np.array([3, 3]), np.array([0, 1])).shape
    (2, 3, 32, 32)
    """
    drawers = FAMILIES[family]
    images = np.empty((len(classes), 3, size_px, size_px), np.uint8)
    for turn, drawer in enumerate(drawers):
        chosen = np.flatnonzero(classes % len(drawers) == turn)
        if len(chosen):
            levels = drawer(seed, classes[chosen], instances[chosen], size_px)
            images[chosen] = np.clip(levels + np.float32(0.5), 0, 255).astype(np.uint8)
    return images
