"""What a look at the disk comes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from finetune.data.rows import SPLITS, Rows

FEW = 10
MANY_CLASSES = 12


@dataclass(frozen=True)
class Proposal:
    """A task, a data section, and the reasons.

    Args:
        task: multiclass or multilabel.
        data: The section's keys, without those that keep their default.
        reasons: What was found and decided, a sentence each.
        suggestions: Keys that the reader may want, as ``key: value  # why``.
    """

    task: str
    data: dict[str, Any]
    reasons: list[str] = field(default_factory=list)
    suggestions: list[str] = field(default_factory=list)


def describe(rows: Rows) -> list[str]:
    """Sentences on how many images of which class there are, and on what will be held out."""
    counts = Counter(name for names in rows.labels for name in names)
    shown = ", ".join(f"{name} {count}" for name, count in counts.most_common(MANY_CLASSES))
    more = f" and {len(counts) - MANY_CLASSES} more" if len(counts) > MANY_CLASSES else ""
    said = [f"{len(rows)} images of {len(counts)} classes: {shown}{more}"]
    rare = [name for name, count in counts.items() if count < FEW]
    if rare:
        said.append(f"fewer than {FEW} images, which is little to learn from: {', '.join(sorted(rare)[:MANY_CLASSES])}")
    return [*said, _held_out(rows.splits)]


def _held_out(splits: Iterable[str | None] | None) -> str:
    given = Counter(split for split in splits or () if split)
    if not given:
        return "no split is given, so a fifth of the images is held out for validation (data.split)"
    shown = ", ".join(f"{split} {given[split]}" for split in SPLITS if split in given)
    rest = "" if "validation" in given else "; validation is cut from train (data.split)"
    return f"the split is given: {shown}{rest}"
