"""Lines of ``predictions.jsonl`` back to scores and decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from finetune.evaluation.scored import Scored
from finetune.labels import LabelSpace
from finetune.metrics.definitions import MULTICLASS
from finetune.predict.ensemble import logits_of


def scored_of_lines(
    lines: Sequence[dict[str, Any]], labels: LabelSpace, task: Literal["multiclass", "multilabel"], split: str
) -> Scored:
    """Scores whose logits give the probabilities of the lines, which have any temperature in them."""
    truth = _ids(lines, labels) if task == MULTICLASS else _presence(lines, labels)
    rows = [[line["probabilities"][name] for name in labels.names] for line in lines]
    probabilities = np.array(rows, dtype=np.float64).reshape(len(lines), len(labels))  # null becomes NaN
    paths = [line["path"] for line in lines]
    return Scored(split, task, labels, paths, logits_of(task, probabilities), truth, together_of(lines))


def together_of(lines: Sequence[dict[str, Any]]) -> np.ndarray | None:
    """(images,) int64: images of one number show the same thing; None where each stands for itself.

    A cross-validation counts the groups of each fold anew:

    >>> together_of([{"fold": 1, "group": 0}, {"fold": 2, "group": 0}, {"fold": 2, "group": 0}, {"fold": 2}])
    array([0, 1, 1, 2])
    """
    if not any("group" in line for line in lines):
        return None
    numbers: dict[Any, int] = {}
    keys = [(line.get("fold"), line.get("group"), None if "group" in line else row) for row, line in enumerate(lines)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def predicted_of_lines(lines: Sequence[dict[str, Any]], labels: LabelSpace) -> np.ndarray:
    """(images, classes) of 1 and 0: what was decided. An image without a decision has none."""
    matrix = np.zeros((len(lines), len(labels)), dtype=np.int8)
    for row, line in enumerate(lines):
        matrix[row, [labels.id(name) for name in line["predicted"]]] = 1
    return matrix


def _ids(lines: Sequence[dict[str, Any]], labels: LabelSpace) -> np.ndarray:
    ids = labels.label2id
    return np.array([ids[line["true"][0]] if line["true"] else -1 for line in lines], dtype=np.int64)


def _presence(lines: Sequence[dict[str, Any]], labels: LabelSpace) -> np.ndarray:
    matrix = np.zeros((len(lines), len(labels)), dtype=np.int8)
    for row, line in enumerate(lines):
        for key, value in (("true", 1), ("unknown", -1)):
            for name in line.get(key, ()):
                matrix[row, labels.label2id[name]] = value
    return matrix
