"""A finding about pictures: what kind, a sentence, and which images, so that a report can show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from finetune.data.rows import Rows, SplitName

_SHOWN = 3  # images that a sentence names


@dataclass(frozen=True)
class SeenImage:
    """An image of a finding.

    Attributes:
        row: Which of the rows it is.
        name: Its path below the root.
        split: Where it is.
        labels: Its classes.
        says: What is particular about it; may be empty.
    """

    row: int
    name: str
    split: str
    labels: tuple[str, ...]
    says: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, without the row, which means nothing elsewhere."""
        return {"name": self.name, "split": self.split, "labels": list(self.labels), "says": self.says}


@dataclass(frozen=True)
class Seen:
    """A finding.

    Attributes:
        kind: A name that may be that of a file, such as ``near-duplicates``.
        says: What ``check`` prints.
        groups: Images that belong together; where none does, each image is a group of its own.
    """

    kind: str
    says: str
    groups: tuple[tuple[SeenImage, ...], ...]

    @property
    def images(self) -> list[SeenImage]:
        """All images."""
        return [image for group in self.groups for image in group]

    def in_split(self, split: str) -> Seen:
        """The same of images that are all in another split."""
        return replace(self, groups=tuple(tuple(replace(it, split=split) for it in group) for group in self.groups))

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "kind": self.kind,
            "says": self.says,
            "groups": [[image.as_dict() for image in group] for group in self.groups],
        }


@dataclass(frozen=True)
class Viewed:
    """Rows in their splits, of which findings are made."""

    rows: Rows
    assigned: Sequence[SplitName]

    def image(self, row: int, says: str = "") -> SeenImage:
        """The image of a row."""
        return SeenImage(row, self.rows.names[row], self.assigned[row], self.rows.labels[row], says)

    def where(self, row: int, *, split: bool = False, labels: bool = False) -> str:
        """How a sentence names a row, with its split or its labels in brackets where they matter."""
        brackets = [self.assigned[row]] * split + [" ".join(self.rows.labels[row]) or "no label"] * labels
        return f"{self.rows.where(row)} ({', '.join(brackets)})" if brackets else self.rows.where(row)

    def examples(self, rows: Sequence[int], says: Sequence[str]) -> str:
        """``, first: a (…), b (…)``, or ``: a (…)`` where all are named: each with what is particular about it."""
        named = [f"{self.where(row)} ({text})" for row, text in zip(rows, says, strict=True)][:_SHOWN]
        return (", first: " if len(rows) > len(named) else ": ") + ", ".join(named)


def counted(images: int, one: str, several: str) -> str:
    """A number and the words that go with it.

    >>> counted(1, "image is", "images are"), counted(1200, "image is", "images are")
    ('1 image is', '1,200 images are')
    """
    return f"{images:,} {one if images == 1 else several}"
