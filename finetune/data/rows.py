"""What every adapter makes of what is on disk: one row per image, in columns."""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    """Images with their labels, before they are verified and split. All lists have one entry per row.

    Columns and not an object per row, and label sets that are shared, so that millions of rows stay affordable.

    Args:
        paths: Absolute path of each image; a name of its own for an image that is no file.
        names: What an image is called on every machine: its path below the root, with ``/``. Splits are drawn by it.
        labels: Names of the classes that are present, sorted; exactly one for multiclass.
        unknown: Names of the classes of which nobody knows; None if there are no such cells.
        splits: The given split of each row, None where it is to be cut; None if no row has one.
        groups: Rows with the same text stay in one split, an empty text stands alone; None if not asked for.
        sources: Files that the rows were read from; empty for rows that are files themselves.
        source_of: Which of the sources a row is from.
        lines: On which line it stands there.
        embedded: Where images are no files: a dataset with a column ``image``.
        embedded_at: Which row of it each row is.
        classes: All class names, where the data declares them (0/1 columns, ClassLabel), else None.
        notes: What the adapter found worth saying.
    """

    paths: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    labels: list[tuple[str, ...]] = field(default_factory=list)
    unknown: list[tuple[str, ...]] | None = None
    splits: list[SplitName | None] | None = None
    groups: list[str] | None = None
    sources: list[str] = field(default_factory=list)
    source_of: list[int] | None = None
    lines: list[int] | None = None
    embedded: datasets.Dataset | None = None
    embedded_at: list[int] | None = None
    classes: tuple[str, ...] | None = None
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.paths)

    def where(self, row: int) -> str:
        """How a message names a row: ``val.csv line 41``, or the image's path below the root."""
        if self.source_of is None or self.lines is None:
            return self.names[row]
        return f"{self.sources[self.source_of[row]]} line {self.lines[row]}"

    def take(self, kept: Sequence[int]) -> Rows:
        """The rows of these numbers, in this order."""
        return replace(
            self,
            paths=[self.paths[i] for i in kept],
            names=[self.names[i] for i in kept],
            labels=[self.labels[i] for i in kept],
            unknown=None if self.unknown is None else [self.unknown[i] for i in kept],
            splits=None if self.splits is None else [self.splits[i] for i in kept],
            groups=None if self.groups is None else [self.groups[i] for i in kept],
            source_of=None if self.source_of is None else [self.source_of[i] for i in kept],
            lines=None if self.lines is None else [self.lines[i] for i in kept],
            embedded_at=None if self.embedded_at is None else [self.embedded_at[i] for i in kept],
        )

    def contradict(self, one: int, other: int) -> bool:
        """Whether a class is present in one row and absent in the other; of what nobody knows, nothing is said."""
        if self.labels[one] == self.labels[other]:
            return False
        unknown = [self.unknown[row] for row in (one, other)] if self.unknown else []
        return bool(set(self.labels[one]).symmetric_difference(self.labels[other]).difference(*unknown))

    def read(self, row: int) -> bytes:
        """The bytes of an image's file.

        Raises:
            OSError: it is missing or cannot be read.
        """
        if self.embedded is None or self.embedded_at is None:
            return Path(self.paths[row]).read_bytes()
        content: bytes = self.embedded[self.embedded_at[row]]["image"]["bytes"]
        return content

    def stamp(self, row: int) -> str:
        """What changes when an image's bytes do. The time of the last change of a file's entry is part of it: unlike
        the time of its content it cannot be carried over from another file.

        Raises:
            OSError: the file is missing, or is something else than a file.
        """
        if self.embedded is not None:
            return str(self.embedded._fingerprint)
        status = os.stat(self.paths[row])
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
            raise OSError(errno.EINVAL, "it is a folder" if stat.S_ISDIR(status.st_mode) else "it is no regular file")
        return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


class LabelSets:
    """Hands out one shared tuple per distinct set of labels.

    >>> shared = LabelSets()
    >>> shared(["carton", "can", "carton"])
    ('can', 'carton')
    >>> shared(["can", "carton"]) is shared(["carton", "can"])
    True
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def __call__(self, names: Iterable[str]) -> tuple[str, ...]:
        """The distinct names, sorted and with composed letters: file systems differ in how they write é."""
        key = tuple(names)
        if key not in self._known:
            labels = tuple(sorted({composed(name) for name in key}))
            self._known[key] = self._known.setdefault(labels, labels)
        return self._known[key]


def composed(text: str) -> str:
    """Text in Unicode's normal form C, in which é is one character."""
    return unicodedata.normalize("NFC", text)


def stable_name(path: str) -> str:
    """A path below the root as every machine writes it: forward slashes, composed letters, no detours.

    >>> stable_name("can/./1.jpg")
    'can/1.jpg'
    """
    return composed(os.path.normpath(path).replace(os.sep, "/"))


def files_by_split(file: str | Mapping[SplitName, str]) -> dict[SplitName | None, str]:
    """The files that a recipe names by split; one file alone stands under None, and its rows are to be cut."""
    return {None: file} if isinstance(file, str) else {split: file[split] for split in SPLITS if split in file}
