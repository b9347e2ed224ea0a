"""The lines of a split in ``predictions.jsonl`` to figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from finetune.plots.drawing import Drawing, precision_recall_curves, reliability_diagram

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


def reliability_of(found: Mapping[str, Any], rows: Sequence[Row]) -> Drawing:
    """How often what was said with a probability was so.

    Args:
        found: The split's metrics.
        rows: The split's predictions.
    """
    return reliability_diagram(*decisions(rows, *arrays(rows, list(found["per_class"]))))


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


def decisions(rows: Sequence[Row], truth: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What was claimed, and whether it was so: the highest probability of an image with one label, else every cell.

    Returns:
        Probabilities (decisions,), and (decisions,) of 1 and 0.
    """
    single = all(len(row["true"]) <= 1 and len(row["predicted"]) <= 1 for row in rows)
    if single and np.allclose(np.nansum(probabilities, axis=1), 1, atol=1e-3):
        known = np.isfinite(probabilities).all(axis=1) & (truth == 1).any(axis=1)
        top = probabilities[known].argmax(axis=1)[:, None]
        return np.take_along_axis(probabilities[known], top, 1)[:, 0], np.take_along_axis(truth[known], top, 1)[:, 0]
    known = (truth >= 0) & np.isfinite(probabilities)
    return probabilities[known], truth[known]
