"""Each image as the model said that did not train on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import datasets
import numpy as np

from finetune.data import Splits
from finetune.data.sight.copies import OF_ALL_IMAGES
from finetune.evaluation import Scored
from finetune.evaluation.lines import scored_of_lines
from finetune.labels import LabelSpace
from finetune.model.decision import Decision
from finetune.run_folder import RunFolder

SPLIT = "out_of_fold"


def out_of_fold_lines(runs: Sequence[RunFolder]) -> list[dict[str, Any]]:
    """The test predictions of all folds, as lines of ``predictions.jsonl`` with their ``fold``, counted from 1."""
    return [
        {**line, "split": SPLIT, "fold": fold}
        for fold, run in enumerate(runs, start=1)
        for line in run.read_predictions()
        if line["split"] == "test"
    ]


def whole_data(parts: Sequence[Splits]) -> Splits:
    """All images as one split, in the order of `out_of_fold_lines`, with findings that count them all.

    Args:
        parts: The data of each fold's run, whose test split is the fold.
    Returns:
        ``findings`` has a note on the size of each fold, and of the runs' own notes those that all of them have;
        ``source`` has the sizes as ``folds``.
    """
    first, sizes = parts[0], [len(part.datasets["test"]) for part in parts]
    names = first.labels.names
    of_class = {name: sum(part.findings.classes["test"][name] for part in parts) for name in names}
    notes = [note for note in first.findings.notes if all(note in part.findings.notes for part in parts)]
    notes.append(f"held out in {len(sizes)} folds of {', '.join(map(str, sizes))} images")
    seen = [seen.in_split(SPLIT) for seen in first.findings.seen if seen.kind in OF_ALL_IMAGES]
    images, classes = {SPLIT: sum(sizes)}, {SPLIT: of_class}
    return Splits(
        datasets.DatasetDict({SPLIT: datasets.concatenate_datasets([part.datasets["test"] for part in parts])}),
        first.labels,
        dataclasses.replace(first.findings, images=images, classes=classes, notes=notes, seen=seen),
        first.dropped,
        {**first.source, "counts": {SPLIT: sum(sizes)}, "folds": sizes},
        {SPLIT: [content for part in parts for content in part.contents["test"]]},
    )


def scored_lines(
    lines: Sequence[dict[str, Any]], names: tuple[str, ...], task: Literal["multiclass", "multilabel"]
) -> Scored:
    """Predictions of all folds as scores, calibrated as each fold's model is.

    Args:
        lines: Of ``predictions.jsonl``.
        names: The classes, in the order of the models' outputs.
    """
    return scored_of_lines(lines, LabelSpace(names), task, SPLIT)


def thresholds_of(
    lines: Sequence[dict[str, Any]], folds: Sequence[Decision], names: tuple[str, ...], threshold: float
) -> np.ndarray:
    """(images, classes): what the model of each image's fold decides by.

    Args:
        folds: The decisions of the folds' models, the first fold first.
        threshold: Where a fold's model has none of its own.
    """
    rows = [np.broadcast_to(threshold if fold.thresholds is None else fold.thresholds, len(names)) for fold in folds]
    return np.array([rows[line["fold"] - 1] for line in lines])
