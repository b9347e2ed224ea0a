"""Real handwriting that comes with scikit-learn, written out as image files.

`digits`: 1,797 greyscale PNGs of 64×64 px in the class folders ``0/`` … ``9/``. A file is named by the digit's
index in `sklearn.datasets.load_digits`, so ``3/0013.png`` is the same digit everywhere.

`digits-multilabel`: 2×2 sheets of the same digits, 64×64 px, each cell 32 px; one to four cells are filled (each
count equally often), the others stay black. ``labels.csv`` names the digits that occur on a sheet. A digit
is on one sheet only, so that no handwriting is in two splits; that makes 720 sheets.

Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998 (the test set of it).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from finetune.data.bundled.labels_csv import write_labels_csv

SIDE_PX = 64
CELL_PX = SIDE_PX // 2
_SHEET_SEED = 1797


def write_digits(folder: Path) -> None:
    """Write every digit as ``<digit>/<index>.png`` below `folder`."""
    images, digits = _load()
    for digit in range(10):
        (folder / str(digit)).mkdir()
    for index, (image, digit) in enumerate(zip(images, digits, strict=True)):
        _enlarged(image, SIDE_PX).save(folder / str(digit) / f"{index:04d}.png")


def write_digit_sheets(folder: Path) -> None:
    """Write the 2×2 sheets as ``images/<number>.png`` and their ``labels.csv`` below `folder`."""
    images, digits = _load()
    (folder / "images").mkdir()
    rows = []
    for number, cells in enumerate(_sheets(len(digits), np.random.Generator(np.random.PCG64(_SHEET_SEED)))):
        sheet = Image.new("L", (SIDE_PX, SIDE_PX))
        for cell, index in cells.items():
            sheet.paste(_enlarged(images[index], CELL_PX), (cell % 2 * CELL_PX, cell // 2 * CELL_PX))
        sheet.save(folder / "images" / f"{number:04d}.png")
        rows.append((f"{number:04d}.png", sorted({str(digits[index]) for index in cells.values()})))
    write_labels_csv(folder / "labels.csv", rows)


def _load() -> tuple[np.ndarray, np.ndarray]:
    """Images (1797, 8, 8) with values 0 … 16, and their digits (1797,)."""
    from sklearn.datasets import load_digits  # slow to import

    bunch = load_digits()
    return bunch.images, bunch.target


def _enlarged(image: np.ndarray, side_px: int) -> Image.Image:
    """One 8×8 digit as a greyscale picture; what bicubic overshoots is clipped."""
    grey = np.clip(np.rint(image * (255 / 16)), 0, 255).astype(np.uint8)
    return Image.fromarray(grey).resize((side_px, side_px), Image.Resampling.BICUBIC)


def _sheets(count: int, rng: np.random.Generator) -> list[dict[int, int]]:
    """Deal `count` digits to sheets; a sheet maps a cell (0 … 3, by rows) to a digit's index."""
    order = rng.permutation(count).tolist()
    sheets: list[dict[int, int]] = []
    while order:
        size = 1 + len(sheets) % 4
        taken, order = order[:size], order[size:]
        sheets.append(dict(zip(rng.permutation(4).tolist(), taken, strict=False)))
    return sheets
