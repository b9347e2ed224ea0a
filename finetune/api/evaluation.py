"""An evaluation or a comparison as a Python user holds it, and as text."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from finetune.evaluation.words import trust
from finetune.metrics import class_table, metrics_table
from finetune.run_folder import ResultFolder


class Evaluation:
    """What was measured of a model on some images.

    Args:
        folder: Where it is written.
    """

    def __init__(self, folder: ResultFolder) -> None:
        self.folder = folder

    def __repr__(self) -> str:
        return f"<Evaluation {self.folder}: {', '.join(self.metrics)}>"

    def __str__(self) -> str:
        return evaluation_summary(self.folder)

    @property
    def path(self) -> Path:
        """The folder."""
        return self.folder.path

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Metrics by split, with ``intervals``."""
        return self.folder.read_metrics()

    @property
    def predictions(self) -> Iterator[dict[str, Any]]:
        """A line per image, one at a time."""
        return self.folder.read_predictions()

    @cached_property
    def reliability(self) -> dict[str, Any]:
        """By split, how probabilities compare with what came true."""
        return self.folder.read_reliability()

    @cached_property
    def label_errors(self) -> dict[str, Any]:
        """Labels that are perhaps wrong."""
        return self.folder.read_label_errors()


def evaluation_summary(folder: ResultFolder) -> str:
    """The metrics with their intervals, what can be trusted, the classes that need attention, and where it all lies."""
    metrics = folder.read_metrics()
    split = "test" if "test" in metrics else next(iter(metrics))
    weakest = class_table(metrics[split]["per_class"], rows=8)
    return "\n\n".join(
        [
            metrics_table(metrics),
            *trust(folder),
            f"classes of the {split} split, the weakest first\n{weakest}",
            f"written: {folder}",
        ]
    )
