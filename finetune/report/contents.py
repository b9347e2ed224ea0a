"""What stands in each section of a report, as plain values for its template."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune.evaluation.words import trust
from finetune.metrics.table import top_k_names
from finetune.plots import Drawing, confusion_matrix, curves, reliability_diagram
from finetune.plots.scored import precision_recall_of
from finetune.predict.predictions import how_sure, is_right, most_probable
from finetune.report.figures import svg
from finetune.report.subject import Subject, subject_of
from finetune.run_folder import ResultFolder

Row = dict[str, Any]

HEADLINES = {
    "multiclass": ("accuracy", "balanced_accuracy", "f1_macro", "mAP", "loss"),
    "multilabel": ("mAP", "f1_macro", "f1_micro", "accuracy", "loss"),
}
"""By task, the metrics at the top; multi-label accuracy is the share of images with every label right."""

DOUBTED = "label_errors"
_MOST_ROWS = 20  # of the classes; the others are folded
_MOST_CLASSES = 100  # beyond, a confusion matrix cannot be read: its largest confusions stand in a table


def contents(folder: ResultFolder) -> dict[str, Any]:
    """All that the template needs.

    Raises:
        RunFolderError: the folder has no metrics, no record or no predictions.
    """
    subject, written = subject_of(folder), folder.read_metrics()
    metrics = {name: scored for name, scored in written.items() if "per_class" in scored}
    split = "test" if "test" in metrics else next(iter(metrics), None)
    rows = rows_of(folder, split, subject.task)
    found = metrics.get(split, {}) if split else {}
    reliability = folder.read_reliability().get(str(split), {}) if folder.reliability.is_file() else {}
    return {
        "subject": subject,
        "split": split,
        "headlines": headlines(subject.task, metrics),
        "folds": fold_rows(subject.task, written),
        "splits": list(metrics),
        "found": found,
        "weakest": weakest(found, rows),
        "flawless": flawless(found),
        "thresholds": thresholds_of(folder, subject),
        "classes": class_rows(found, rows),
        "most_rows": _MOST_ROWS,
        "confusions": confusions(rows)[:_MOST_ROWS],
        "figures": figures(folder, subject, found, rows, reliability),
        "calibration": [(when, (reliability.get(when) or {}).get("ece")) for when in ("before", "after")],
        "trust": trust(folder),
        "galleries": [*galleries(folder, split, rows), *doubted(folder)],
        "findings": subject.data.get("findings", {}),
    }


def rows_of(folder: ResultFolder, split: str | None, task: str) -> list[Row]:
    """The predictions of a split, as `confusions` and `class_rows` take them."""
    return [_mentioned(row, task) for row in folder.read_predictions() if row["split"] == split]


def _mentioned(row: Row, task: str) -> Row:
    """A line of predictions with the probabilities of its true and predicted labels only, how sure it is, and what
    it says where it abstains."""
    probabilities = row["probabilities"]
    kept = {name: probabilities.get(name) for name in (*row["true"], *row["predicted"])}
    return {**row, "probabilities": kept, "sure": how_sure(row, task), "said": most_probable(row, task)}


def headlines(task: str, metrics: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each headline metric with a cell for each split: the value, and its interval where there is one."""
    rows = []
    first, *others = HEADLINES[task]
    for name in (first, *top_k_names(metrics), *others):
        cells = [
            {"value": scored.get(name), "interval": (scored.get("intervals") or {}).get(name)}
            for scored in metrics.values()
        ]
        rows.append({"name": name, "cells": cells})
    return rows


def fold_rows(task: str, metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each headline metric of a cross-validation: the mean with its interval, and each fold."""
    return [
        {
            "name": name,
            "mean": metrics["mean"].get(name),
            "interval": metrics["interval"].get(name),
            "folds": [fold.get(name) for fold in metrics["folds"]],
        }
        for name in (HEADLINES[task] if "folds" in metrics else ())
    ]


def class_rows(found: Mapping[str, Any], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The classes, the one that needs most attention first: by F1, those without an image last."""
    taken = _taken_for(rows)
    listed = [{"name": name, **row, "taken_for": taken.get(name)} for name, row in found.get("per_class", {}).items()]
    return sorted(listed, key=lambda row: (row["f1"] is None, row["f1"] or 0.0, -row["support"]))


def weakest(found: Mapping[str, Any], rows: Sequence[Row]) -> dict[str, Any] | None:
    """The class of which most is missed or mistaken, if it has images and not everything is right."""
    listed = [row for row in class_rows(found, rows) if row["f1"] is not None and row["support"]]
    return listed[0] if listed and listed[0]["f1"] < 1 else None


def flawless(found: Mapping[str, Any]) -> bool:
    """Whether every class that has images is predicted without a mistake, and there is one."""
    f1 = [row["f1"] for row in found.get("per_class", {}).values() if row["support"]]
    return bool(f1) and all(value == 1 for value in f1)


def thresholds_of(folder: ResultFolder, subject: Subject) -> dict[str, float]:
    """By class, the probability from which it is predicted, where each has its own."""
    tuned = (folder.read_tuning() or {}).get("thresholds")
    return {name: row["threshold"] for name, row in tuned["per_class"].items()} if tuned else dict(subject.thresholds)


def confusions(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Which class was taken for which, the most frequent first (images with one true and one predicted label; where the
    model abstains, the most probable one, as in the confusion matrix)."""
    pairs = Counter(
        (row["true"][0], row["said"][0])
        for row in rows
        if len(row["true"]) == len(row["said"]) == 1 and not is_right({**row, "predicted": row["said"]})
    )
    return [{"true": true, "predicted": said, "images": count} for (true, said), count in pairs.most_common()]


def _taken_for(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """By class, what it was most often taken for."""
    first: dict[str, dict[str, Any]] = {}
    for pair in confusions(rows):
        first.setdefault(pair["true"], pair)
    return first


def figures(
    folder: ResultFolder,
    subject: Subject,
    found: Mapping[str, Any],
    rows: Sequence[Row],
    reliability: Mapping[str, Any],
) -> dict[str, str]:
    """SVG by name; a figure that this run has nothing for is left out."""
    drawn: dict[str, Drawing] = {}
    names = list(found.get("per_class", {}))
    if subject.history:
        metrics = dict.fromkeys([subject.best_metric, "accuracy", "mAP", "f1_macro"])
        drawn["curves"] = curves(subject.history, [name for name in metrics if name != "loss"], subject.best_step)
    if found.get("confusion_matrix") and len(names) <= _MOST_CLASSES:
        drawn["confusion"] = confusion_matrix(found["confusion_matrix"], names)
    if rows and names:
        whole = (row for row in folder.read_predictions() if row["split"] == rows[0]["split"])
        drawn["precision_recall"] = precision_recall_of(found, whole)
    if reliability.get("before"):
        drawn["reliability"] = reliability_diagram(
            reliability["before"]["bins"], (reliability["after"] or {}).get("bins")
        )
    return {name: svg(drawing, name) for name, drawing in drawn.items()}


def galleries(folder: ResultFolder, split: str | None, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Pictures that training or an evaluation left in the folder, each with what is true and what was said."""
    index = folder.read_pictures().get(str(split), {})
    shown = []
    for kind, places in index.get("kinds", {}).items():
        tiles = [{**_picture(folder, index, place, rows[place]["path"]), **_said(rows[place])} for place in places]
        shown.append({"kind": kind, "tiles": [tile for tile in tiles if tile["pictures"]]})
    return [gallery for gallery in shown if gallery["kind"] != DOUBTED]


def doubted(folder: ResultFolder) -> list[dict[str, Any]]:
    """Pictures of the images of every split whose labels are perhaps wrong, the most suspicious of each first."""
    suspected = folder.read_label_errors()["images"] if folder.label_errors.is_file() else []
    tiles = []
    for split, index in folder.read_pictures().items():
        own = [row for row in suspected if row["split"] == split]
        for row, place in zip(own, index["kinds"].get(DOUBTED, ()), strict=False):
            tiles.append({**_picture(folder, index, place, row["path"]), "split": split, **row})
    return [{"kind": DOUBTED, "tiles": [tile for tile in tiles if tile["pictures"]]}]


def _picture(folder: ResultFolder, index: Mapping[str, Any], place: int, path: str) -> dict[str, Any]:
    """The pictures of an image that are there, and where it came from."""
    files = {what: folder.pictures / name for what, name in index["files"].get(str(place), {}).items()}
    return {
        "pictures": {what: embedded(file) for what, file in files.items() if file.is_file()},
        "path": path,
        "short": "/".join(Path(path).parts[-2:]),
    }


def _said(row: Row) -> dict[str, Any]:
    probabilities = row["probabilities"]
    return {
        "true": row["true"],
        "predicted": [(name, probabilities[name]) for name in row["predicted"]],
        "of_true": [(name, probabilities[name]) for name in row["true"] if name not in row["predicted"]],
        "sure": row["sure"],
    }


def embedded(file: Path) -> str:
    """A JPEG as a data: URL."""
    return f"data:image/jpeg;base64,{base64.b64encode(file.read_bytes()).decode()}"
