"""A comparison as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from finetune.evaluation.compare import Comparison, Difference
from finetune.metrics.table import aligned, metrics_table

_TOLD = ("loss", "accuracy", "balanced_accuracy", "hamming_accuracy", "mAP", "f1_macro")


def comparison_table(found: Comparison, images: int = 10) -> str:
    """The metrics side by side, each difference with its interval and test, and the first differing images."""
    parts = [metrics_table(found.metrics), *(_told(found, one) for one in found.differences)]
    if found.notes:
        parts.append("\n".join(f"note: {note}" for note in found.notes))
    count = len(found.differing)
    if not count:
        parts.append("they decide every image alike")
    else:
        shown = "\n".join(_row(row) for row in found.differing[:images])
        more = f", the first {images}" if count > images else ""
        parts.append(f"{count} of {found.images} images are not decided alike{more}:\n{shown}")
    return "\n\n".join(parts)


def _told(found: Comparison, one: Difference) -> str:
    keys = [key for key in found.metrics[found.runs[0]] if key in one.metrics and key in _TOLD]
    columns = [
        ["", *keys],
        ["difference", *(_signed(one.metrics[key]["difference"]) for key in keys)],
        ["95 % interval", *(_ends(one.metrics[key]["interval"]) for key in keys)],
    ]
    corrected = "" if one.p_holm is None else f", {one.p_holm:.3g} after Holm's correction"
    return (
        f"{one.run} less {found.runs[0]}\n{aligned(columns)}\n"
        f"only {one.run} is right on {one.only_this} images, only {found.runs[0]} on {one.only_first} "
        f"(McNemar: p {one.p:.3g}{corrected}): {_verdict(found, one)}"
    )


def _verdict(found: Comparison, one: Difference) -> str:
    if (one.p if one.p_holm is None else one.p_holm) >= 0.05:
        return "no difference is shown"
    better = one.run if one.only_this > one.only_first else found.runs[0]
    return f"{better} is right more often"


def _row(row: Mapping[str, Any]) -> str:
    said = "; ".join(
        f"{name}: {', '.join(row['predicted'][name]) or 'nothing'}{'' if row['right'][name] else ' (wrong)'}"
        for name in row["predicted"]
    )
    return f"  {row['path']} is {', '.join(row['true']) or 'nothing'}; {said}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"


def _ends(ends: Sequence[float] | None) -> str:
    return "-" if ends is None else f"{ends[0]:+.3f} to {ends[1]:+.3f}"
