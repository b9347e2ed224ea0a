"""Each image as the model said that did not train on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import datasets
import numpy as np

from finetune.data import Splits
from finetune.data.sight.copies import OF_ALL_IMAGES
from finetune.labels import LabelSpace
from finetune.metrics import score_metrics
from finetune.predict.ensemble import logits_of
from finetune.recipe import Recipe
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


def score_lines(lines: Sequence[dict[str, Any]], names: tuple[str, ...], recipe: Recipe) -> dict[str, Any]:
    """The metrics of predictions, as of `finetune.metrics.score_metrics`.

    Args:
        lines: Of ``predictions.jsonl``.
        names: The classes, in the order of the models' outputs.
        recipe: Says the task, the threshold and top_k.
    """
    labels, evaluate = LabelSpace(names), recipe.evaluate
    targets = _ids(lines, labels) if recipe.task == "multiclass" else _presence(lines, labels)
    rows = [[line["probabilities"][name] for name in names] for line in lines]
    logits = logits_of(recipe.task, np.array(rows, dtype=np.float64))  # null, for what is no number, becomes NaN
    return score_metrics(recipe.task, logits, targets, labels, threshold=evaluate.threshold, top_k=evaluate.top_k)


def _ids(lines: Iterable[dict[str, Any]], labels: LabelSpace) -> np.ndarray:
    ids = labels.label2id
    return np.array([ids[line["true"][0]] for line in lines], dtype=np.int64)


def _presence(lines: Sequence[dict[str, Any]], labels: LabelSpace) -> np.ndarray:
    matrix = np.zeros((len(lines), len(labels)), dtype=np.int8)
    for row, line in enumerate(lines):
        for key, value in (("true", 1), ("unknown", -1)):
            for name in line.get(key, ()):
                matrix[row, labels.label2id[name]] = value
    return matrix
