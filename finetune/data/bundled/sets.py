"""The two drawn sets: which objects are in which picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from finetune.data.bundled.labels_csv import write_labels_csv

CLASSES = ("can", "carton", "milk_bottle", "water_bottle")
SHAPES = {
    "can": [(-1, 0), (-1, 0.9), (-0.8, 1), (0.8, 1), (1, 0.9), (1, 0)],
    "carton": [(-1, 0), (-1, 0.8), (-0.8, 0.9), (-0.8, 1), (1, 1), (1, 0.8), (1, 0)],
    "milk_bottle": [(-1, 0), (-1, 0.7), (-0.5, 0.85), (-0.5, 1), (0.5, 1), (0.5, 0.85), (1, 0.7), (1, 0)],
    "water_bottle": [(-0.9, 0), (-1, 0.6), (-0.3, 0.8), (-0.3, 1), (0.3, 1), (0.3, 0.8), (1, 0.6), (0.9, 0)],
}


def write_fridge_objects(folder: Path) -> None:
    rng = np.random.Generator(np.random.PCG64(134))
    for name, count in zip(CLASSES, (34, 33, 33, 34), strict=True):
        (folder / name).mkdir()
        for number in range(1, count + 1):
            _rough([name], rng).save(folder / name / f"{number}.jpg", quality=90)


def write_multilabel_fridge_objects(folder: Path) -> None:
    rng = np.random.Generator(np.random.PCG64(128))
    (folder / "images").mkdir()
    rows = []
    for number in range(1, 129):
        names = [CLASSES[i] for i in rng.permutation(4)[: 1 + number % 4]]
        _rough(names, rng).save(folder / "images" / f"{number}.jpg", quality=90)
        rows.append((f"{number}.jpg", names))
    write_labels_csv(folder / "labels.csv", rows)


def _rough(names: list[str], rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (499, 666), (24, 24, 34))
    draw = ImageDraw.Draw(image)
    for y in range(0, 330, 12):
        draw.rectangle((0, y, 499, y + 8), fill=tuple(int(v) for v in rng.integers(110, 220, 3)))
    for i, name in enumerate(names):
        width, height = int(rng.integers(40, 60)), int(rng.integers(200, 330))
        x, y = (i + 0.5) * 499 / len(names) + int(rng.integers(-20, 20)), int(rng.integers(420, 560))
        fill = tuple(int(v) for v in rng.integers(30, 250, 3))
        draw.polygon([(x + a * width, y - b * height) for a, b in SHAPES[name]], fill=fill)
    return image
