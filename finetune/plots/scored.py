"""The lines of a split in ``predictions.jsonl`` to figures."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from finetune.plots.drawing import Drawing, precision_recall_curves

Row = Mapping[str, Any]


def precision_recall_of(found: Mapping[str, Any], rows: Iterable[Row], classes: int = 8) -> Drawing:
    """Curves of the classes with the lowest average precision, of those that have images.

    Args:
        found: The split's metrics.
        rows: The split's predictions, read once.
    """
    judged = {
        name: row["average_precision"]
        for name, row in found["per_class"].items()
        if row["support"] and row.get("average_precision") is not None
    }
    shown = sorted(judged, key=lambda name: judged[name])[:classes]
    return precision_recall_curves(*arrays(rows, shown), shown)


def arrays(rows: Iterable[Row], names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Truth (images, names) of 1, 0 and -1, and probabilities of the same shape, NaN where there is none."""
    truth, probabilities = [], []
    for row in rows:
        unknown: Collection[str] = row.get("unknown", ())
        truth.append([-1 if name in unknown else int(name in row["true"]) for name in names])
        probabilities.append([np.nan if (p := row["probabilities"].get(name)) is None else p for name in names])
    shape = len(truth), len(names)
    return np.array(truth, np.int8).reshape(shape), np.array(probabilities, np.float32).reshape(shape)
