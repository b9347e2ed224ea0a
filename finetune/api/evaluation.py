"""An evaluation or a comparison as a Python user holds it, and as text."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from finetune.api.measured import Measured
from finetune.evaluation.words import trust
from finetune.metrics import class_table, metrics_table
from finetune.run_folder import ResultFolder


class Evaluation(Measured):
    """What was measured of a model on some images.

    Args:
        folder: Where it is written.
    """

    def __repr__(self) -> str:
        return f"<Evaluation {self.folder}: {', '.join(self.metrics)}>"

    def __str__(self) -> str:
        return evaluation_summary(self.folder)

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
