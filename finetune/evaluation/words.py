"""What was tuned and suspected, in words for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finetune.metrics.table import aligned
from finetune.run_folder import ResultFolder

SHOWN = 5


def trust(folder: ResultFolder) -> list[str]:
    """Paragraphs on what tuning gained and which labels are perhaps wrong; none where there is nothing to say."""
    report = folder.read_tuning()
    suspected = folder.read_label_errors() if folder.label_errors.is_file() else {"images": [], "classes": []}
    said = [tuning_table(report) if report else "", suspicions(suspected, folder)]
    return [text for text in said if text]


def tuning_table(report: Mapping[str, Any]) -> str:
    """What thresholds and temperatures do to the split that tuned them.

    >>> thresholds = {"metric": "f1_macro", "untuned": 0.8, "fitted": 0.9, "cross_fitted": 0.85, "per_class": {}}
    >>> print(tuning_table({"split": "validation", "images": 40, "thresholds": thresholds}))
    tuned on the 40 images of the validation split
                          untuned  fitted  cross-fitted
    thresholds: f1_macro   0.8000  0.9000        0.8500
    cross-fitted: each image by what the other folds of the split tuned; believe this
    """
    rows = {
        "thresholds: f1_macro": report.get("thresholds"),
        "calibration: ece": report.get("calibration"),
        **{f"abstaining: {key}": _part(report.get("abstaining"), key) for key in ("decided", "accuracy_of_decided")},
    }
    ways = {"untuned": "untuned", "fitted": "fitted", "cross_fitted": "cross-fitted"}
    shown = {name: row for name, row in rows.items() if row}
    if not shown:
        return ""
    columns = [[head, *(_number(row[way]) for row in shown.values())] for way, head in ways.items()]
    return "\n".join(
        [
            f"tuned on the {report['images']} images of the {report['split']} split",
            aligned([["", *shown], *columns]),
            "cross-fitted: each image by what the other folds of the split tuned; believe this",
        ]
    )


def suspicions(suspected: Mapping[str, Any], folder: ResultFolder) -> str:
    """The most suspicious labels, and classes that look swapped."""
    lines = [
        f"{row['split']}: {row['images']} of {row['of']} images of {row['given']} look like {row['suspected']}; "
        "were the classes swapped?"
        for row in suspected["classes"]
    ]
    images = suspected["images"]
    if images:
        many = f"{len(images)} labels are" if len(images) > 1 else "1 label is"
        lines.append(f"{many} perhaps wrong ({folder}/label_errors.json), first:")
        lines += [
            f"  {row['path']}: {_named(row['given'])}, looks like {_named(row['suspected'])} ({row['score']:.2f})"
            for row in images[:SHOWN]
        ]
    return "\n".join(lines)


def _part(report: Mapping[str, Any] | None, key: str) -> dict[str, Any] | None:
    return None if report is None else {way: report[way][key] for way in ("untuned", "fitted", "cross_fitted")}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _named(names: list[str]) -> str:
    return ", ".join(names) or "no label"
