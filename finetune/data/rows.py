"""What every adapter makes of what is on disk: one row per image, in columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import datasets

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
SPLIT_WORDS: dict[str, SplitName] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass
class Rows:
    """Images with their labels, before they are split and verified. All lists have one entry per row.

    Columns and not an object per row, and label sets that are shared, so that millions of rows stay affordable.

    Args:
        paths: Absolute path of each image; for images that are not files, its name in `names`.
        names: What an image is called on every machine: its path below the root, with ``/``. Splits are drawn by it.
        labels: Names of the classes that are present; exactly one for multiclass.
        unknown: Names of the classes of which nobody knows; None if there are no such cells.
        splits: The given split of each row, None where it is to be cut; None if no row has one.
        groups: Rows with the same text stay in one split; None if not asked for.
        classes: All class names where the data declares them (0/1 columns), else None.
        sources: Files that the rows were read from, and per row which of them and on which line; both lists are
            empty for rows that are files themselves.
        hub: Where the images come from a loaded dataset: that dataset per split, row by row in the order of `paths`.
        notes: What the adapter found worth saying.
    """

    paths: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    labels: list[tuple[str, ...]] = field(default_factory=list)
    unknown: list[tuple[str, ...]] | None = None
    splits: list[SplitName | None] | None = None
    groups: list[str] | None = None
    classes: tuple[str, ...] | None = None
    sources: list[str] = field(default_factory=list)
    source_of: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    hub: datasets.Dataset | None = None
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.paths)

    def where(self, row: int) -> str:
        """How a message names a row: ``val.csv line 41``, or the image's path below the root."""
        if not self.lines:
            return self.names[row]
        return f"{self.sources[self.source_of[row]]} line {self.lines[row]}"

    def take(self, kept: Sequence[int]) -> Rows:
        """The rows of these numbers, in this order."""
        return Rows(
            paths=[self.paths[i] for i in kept],
            names=[self.names[i] for i in kept],
            labels=[self.labels[i] for i in kept],
            unknown=None if self.unknown is None else [self.unknown[i] for i in kept],
            splits=None if self.splits is None else [self.splits[i] for i in kept],
            groups=None if self.groups is None else [self.groups[i] for i in kept],
            classes=self.classes,
            sources=self.sources,
            source_of=[self.source_of[i] for i in kept] if self.lines else [],
            lines=[self.lines[i] for i in kept] if self.lines else [],
            hub=None if self.hub is None else self.hub.select(kept),
            notes=self.notes,
        )


class LabelSets:
    """Hands out one shared tuple per distinct set of labels.

    >>> shared = LabelSets()
    >>> shared(["can", "carton", "can"])
    ('can', 'carton')
    >>> shared(["can", "carton"]) is shared(["can", "carton"])
    True
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def __call__(self, names: Iterable[str]) -> tuple[str, ...]:
        """The distinct names in code-point order, composed as in NFC: file systems differ in how they write é."""
        key = tuple(names)
        if key not in self._known:
            labels = tuple(sorted({unicodedata.normalize("NFC", name) for name in key}))
            self._known[key] = self._known.setdefault(labels, labels)
        return self._known[key]


def stable_name(path: Path | str) -> str:
    """A path below the root as every machine writes it: forward slashes, composed letters.

    >>> stable_name("can/1.jpg")
    'can/1.jpg'
    """
    return unicodedata.normalize("NFC", Path(path).as_posix())
