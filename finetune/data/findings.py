"""What was found in the data, for people (``deit-finetune check``) and for the run's record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from finetune.data.sight.seen import Seen
from finetune.data.verify import BadImage, Verified

_ALL_CLASSES = 24  # up to here every class has a line
_MOST, _LEAST = 10, 6  # beyond, the classes with most and with fewest images
_NAMED = 10  # images left out that are named one by one


@dataclass(frozen=True)
class Findings:
    """What is in the data.

    Attributes:
        source: What was read: a folder, a table, a dataset's name.
        images: Images per split.
        classes: Images per split and class, with every class in the order of the labels. An image with several labels
            counts for each.
        unknown: Images per class of which nobody knows whether they show it; empty where there are none.
        unlabelled: Images without any label (multilabel).
        sizes: (width, height) in pixels of the smallest, the median and the largest image by area.
        looks: Images per file format and colour mode.
        dropped: Images that were left out.
        notes: What is worth knowing and stops nothing.
        faults: What stops a run; empty if all is well.
        seen: Of notes and faults, those about images that can be shown, with the images. Those of the same bytes are
            always there, the others only where ``check`` looked.
    """

    source: str = ""
    images: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)
    unlabelled: int = 0
    sizes: tuple[tuple[int, int], ...] = ()
    looks: Mapping[str, int] = field(default_factory=dict)
    dropped: Sequence[BadImage] = ()
    notes: Sequence[str] = ()
    faults: Sequence[str] = ()
    seen: Sequence[Seen] = ()

    def render(self) -> str:
        """The text that ``deit-finetune check`` prints, without a closing line feed."""
        parts = [f"{self.source}: {_total(self.images)}", "\n".join(self._table())]
        if self.sizes:
            smallest, median, largest = (f"{width}×{height}" for width, height in self.sizes)
            sizes = (
                f"smallest {smallest}, median {median}, largest {largest}" if smallest != largest else f"all {median}"
            )
            parts.append(f"sizes   {sizes} pixels")
            parts[-1] += f"\nformats {', '.join(f'{look} {count}' for look, count in self.looks.items())}"
        if self.dropped:
            parts.append("\n".join([f"left out: {len(self.dropped)} images", *_bulleted(self._dropped_lines())]))
        if self.notes:
            parts.append("\n".join(["notes", *_bulleted(self.notes)]))
        parts.append("\n".join(["faults", *_bulleted(self.faults)]) if self.faults else "no faults")
        return "\n\n".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for record.json."""
        return {
            "images": dict(self.images),
            "classes": {split: dict(counts) for split, counts in self.classes.items()},
            "unknown": dict(self.unknown),
            "unlabelled": self.unlabelled,
            "sizes_px": [list(size) for size in self.sizes],
            "formats": dict(self.looks),
            "dropped": [{"path": bad.path, "reason": bad.reason} for bad in self.dropped],
            "notes": list(self.notes),
            "faults": list(self.faults),
            "seen": [seen.as_dict() for seen in self.seen],
        }

    def _table(self) -> list[str]:
        """One line per class and a sum, columns per split."""
        names = list(next(iter(self.classes.values()), {}))
        columns: dict[str, Mapping[str, int]] = dict(self.classes)
        if self.unknown:
            columns["unknown"] = self.unknown
        totals = Counter({name: sum(counts.get(name, 0) for counts in self.classes.values()) for name in names})
        lines: list[tuple[str, ...]] = [("class", *columns)]
        for name in _shown(names, totals):
            cells = (str(counts.get(name, 0)) for counts in columns.values())
            lines.append((name, *cells) if name else (f"… {len(names) - _MOST - _LEAST} more", *[""] * len(columns)))
        if self.unlabelled:
            lines.append((f"(no label: {self.unlabelled})", *[""] * len(columns)))
        lines.append(("images", *(str(self.images.get(column, "")) for column in columns)))
        return _aligned(lines)

    def _dropped_lines(self) -> list[str]:
        lines = [f"{bad.path}: {bad.reason}" for bad in self.dropped[:_NAMED]]
        return [*lines, f"… {len(self.dropped) - _NAMED} more"] if len(self.dropped) > _NAMED else lines


def image_sizes(verified: Verified) -> tuple[tuple[int, int], ...]:
    """(width, height) of the smallest, the median and the largest image by area; nothing for no images."""
    sizes = sorted(zip(verified.widths, verified.heights, strict=True), key=lambda size: (size[0] * size[1], size))
    return (sizes[0], sizes[(len(sizes) - 1) // 2], sizes[-1]) if sizes else ()


def _total(images: Mapping[str, int]) -> str:
    return f"{sum(images.values())} images" + "".join(f", {count} {split}" for split, count in images.items())


def _shown(names: list[str], totals: Counter[str]) -> list[str]:
    """All names in their order, or of many those with most and with fewest images and "" between them."""
    if len(names) <= _ALL_CLASSES:
        return names
    by_count = sorted(names, key=lambda name: -totals[name])
    return [*by_count[:_MOST], "", *by_count[-_LEAST:]]


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    first, *others = widths
    return [
        (
            line[0].ljust(first) + "".join(cell.rjust(width + 2) for cell, width in zip(line[1:], others, strict=True))
        ).rstrip()
        for line in lines
    ]


def _bulleted(lines: Sequence[str]) -> list[str]:
    return [f"  - {line}" for line in lines]
