"""Metrics as plain text, at most 80 columns wide: a table of splits, and the classes that need attention."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH = 80
HEADLINES = ("images", "loss", "accuracy", "balanced_accuracy", "hamming_accuracy", "mAP", "f1_macro", "f1_micro")
_PER_CLASS = ("support", "predicted", "precision", "recall", "f1", "average_precision")
_NO_VALUE = "-"
INTERVAL = "95 % interval"


def metrics_table(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """The headline metrics, a row each, and a column for each split, with one for its intervals where it has any.

    Args:
        metrics: Split to what `score_metrics` returned, as in ``metrics.json``, with ``intervals`` or without. More
            splits than fit side by side are continued below.
    Returns:
        Lines without a newline at the end; ``-`` stands for a metric or an interval without a value.

    >>> print(metrics_table({"test": {"images": 26, "accuracy": 24 / 26, "intervals": {"accuracy": [0.7587, 0.9786]}}}))
                test   95 % interval
    images        26
    accuracy  0.9231  0.759 to 0.979

    >>> scored = {"images": 26, "loss": 0.25, "accuracy": 24 / 26, "mAP": None, "f1_macro": 0.5, "f1_micro": 24 / 26}
    >>> print(metrics_table({"validation": scored, "test": scored}))
              validation    test
    images            26      26
    loss          0.2500  0.2500
    accuracy      0.9231  0.9231
    mAP                -       -
    f1_macro      0.5000  0.5000
    f1_micro      0.9231  0.9231
    """
    keys = [key for key in HEADLINES if any(key in split for split in metrics.values())]
    if "accuracy" in keys:
        place = keys.index("accuracy") + 1
        keys[place:place] = top_k_names(metrics)
    if any(split.get("images_not_finite") for split in metrics.values()):
        keys.insert(1, "images_not_finite")  # the reason why all below it has no value
    first = ["", *keys]
    pieces: list[list[list[str]]] = [[]]
    for split, found in metrics.items():
        columns = [[_end(split, 24), *(_number(found.get(key)) for key in keys)], *_intervals(found, keys)]
        if pieces[-1] and _table_width([first, *pieces[-1], *columns]) > WIDTH:
            pieces.append([])
        pieces[-1] += columns
    return "\n\n".join(aligned([first, *piece]) for piece in pieces)


def top_k_names(metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The top-k accuracies that say more than accuracy does: of fewer than all classes, and of more than one.

    >>> top_k_names({"test": {"top5_accuracy": 0.9, "top1_accuracy": 0.7, "per_class": dict.fromkeys(range(10))}})
    ['top5_accuracy']
    """
    found: dict[str, None] = {}
    for split in metrics.values():
        for name in split:
            k = name.removeprefix("top").removesuffix("_accuracy")
            if k.isdigit() and name == f"top{k}_accuracy" and 1 < int(k) < len(split.get("per_class", ())):
                found[name] = None
    return list(found)


def class_table(per_class: Mapping[str, Mapping[str, Any]], rows: int = 20) -> str:
    """The classes, the one with the lowest F1 first, those without positives last.

    Args:
        per_class: Class name to its row, as `score_metrics` returns it.
        rows: At most so many are shown; a last line says how many are not.

    >>> good = {"support": 6, "predicted": 6, "precision": 1.0, "recall": 1.0, "f1": 1.0, "average_precision": 1.0}
    >>> poor = {"support": 2, "predicted": 0, "precision": 0.0, "recall": 0.0, "f1": 0.0, "average_precision": 0.25}
    >>> print(class_table({"can": good, "carton": poor}, rows=1))
            support  predicted  precision  recall      f1      AP
    carton        2          0     0.0000  0.0000  0.0000  0.2500
    and 1 more class
    """
    order = sorted(per_class, key=lambda name: _need(per_class[name]))
    keys = [key for key in _PER_CLASS if any(key in row for row in per_class.values())]
    heads = ["AP" if key == "average_precision" else key for key in keys]
    columns = [
        [head, *(_number(per_class[name].get(key)) for name in order[:rows])]
        for head, key in zip(heads, keys, strict=True)
    ]
    room = WIDTH - _table_width(columns) - 2
    table = aligned([["", *(_short(name, room) for name in order[:rows])], *columns])
    left = len(order) - rows
    return table if left <= 0 else f"{table}\nand {left} more {'class' if left == 1 else 'classes'}"


def _intervals(found: Mapping[str, Any], keys: Sequence[str]) -> list[list[str]]:
    """The column of a split's intervals, where it has any."""
    intervals = found.get("intervals")
    return [] if not intervals else [[INTERVAL, *(_interval(intervals, key) for key in keys)]]


def _interval(intervals: Mapping[str, Any], key: str) -> str:
    if key not in intervals:
        return ""
    ends = intervals[key]
    return _NO_VALUE if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"


def _need(row: Mapping[str, Any]) -> tuple[bool, float, int]:
    f1 = row.get("f1")
    return (f1 is None, 0.0 if f1 is None else f1, -(row.get("support") or 0))


def _number(value: Any) -> str:
    if value is None:
        return _NO_VALUE
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def aligned(columns: Sequence[Sequence[str]]) -> str:
    """Columns to lines: the first flush left, the others flush right, two spaces between."""
    widths = [max(map(_cells, column)) for column in columns]
    lines = []
    for texts in zip(*columns, strict=True):
        first, *others = (" " * (width - _cells(text)) for text, width in zip(texts, widths, strict=True))
        cells = [texts[0] + first, *(pad + text for pad, text in zip(others, texts[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _table_width(columns: Sequence[Sequence[str]]) -> int:
    return sum(max(map(_cells, column)) for column in columns) + 2 * (len(columns) - 1)


def _short(text: str, room: int) -> str:
    """The text, or its beginning and an ellipsis, in so many terminal cells."""
    text = "".join(char if char.isprintable() else "?" for char in text)
    if _cells(text) <= room:
        return text
    while _cells(text) > room - 3:
        text = text[:-1]
    return text + "..."


def _end(text: str, room: int) -> str:
    """The text, or an ellipsis and its end, which is where the names of runs and evaluations differ."""
    return _short(text[::-1], room)[::-1]


def _cells(text: str) -> int:
    """Width in a terminal, where East Asian characters take two cells and combining marks none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
