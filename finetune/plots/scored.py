"""The lines of a split in ``predictions.jsonl`` to figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from finetune.plots.drawing import Drawing, precision_recall_curves

Row = Mapping[str, Any]


def precision_recall_of(found: Mapping[str, Any], rows: Sequence[Row], classes: int = 8) -> Drawing:
    """Curves of the classes with the lowest average precision, of those that have images.

    Args:
        found: The split's metrics.
        rows: The split's predictions.
    """
    names = list(found["per_class"])
    truth, probabilities = arrays(rows, names)
    order = sorted(names, key=lambda name: found["per_class"][name].get("average_precision") or 0.0)
    shown = [name for name in order if (truth[:, names.index(name)] == 1).any()]
    return precision_recall_curves(truth, probabilities, names, shown[:classes])


def arrays(rows: Sequence[Row], names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Truth (images, classes) of 1, 0 and -1, and probabilities of the same shape, NaN where there is none."""
    place = {name: column for column, name in enumerate(names)}
    truth = np.zeros((len(rows), len(names)), dtype=np.int8)
    probabilities = np.full((len(rows), len(names)), np.nan, dtype=np.float32)
    for number, row in enumerate(rows):
        truth[number, [place[name] for name in row["true"]]] = 1
        truth[number, [place[name] for name in row.get("unknown", ())]] = -1
        for name, value in row["probabilities"].items():
            if value is not None:
                probabilities[number, place[name]] = value
    return truth, probabilities
