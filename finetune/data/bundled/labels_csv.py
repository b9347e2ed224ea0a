"""``labels.csv`` as multilabelFridgeObjects has it: ``filename,labels``, labels joined with one space."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def write_labels_csv(path: Path, rows: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Write one row per image; the order of images and labels is kept, lines end in a line feed everywhere."""
    lines = ["filename,labels", *(f"{filename},{' '.join(labels)}" for filename, labels in rows)]
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
