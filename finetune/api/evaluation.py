"""An evaluation or a comparison as a Python user holds it, and as text."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.api.measured import Measured
from finetune.evaluation.words import trust
from finetune.metrics import class_table, metrics_table
from finetune.run_folder import ResultFolder

if TYPE_CHECKING:
    from finetune.api.scored_plots import ScoredPlots
    from finetune.evaluation.wish import Wish


class Evaluation(Measured):
    """What was measured of a model on some images.

    Args:
        folder: Where it is written.
    """

    def __repr__(self) -> str:
        return f"<Evaluation {self.folder}: {', '.join(self.metrics)}>"

    def __str__(self) -> str:
        return evaluation_summary(self.folder)

    @property
    def task(self) -> str:
        """multiclass or multilabel."""
        from finetune.report import subject_of

        return subject_of(self.folder).task

    @property
    def plots(self) -> ScoredPlots:
        """Pictures: ``confusion_matrix()``, ``per_class()``, ``precision_recall()``, ``reliability()``,
        ``predictions()``."""
        from finetune.api.scored_plots import ScoredPlots

        return ScoredPlots(self)

    @cached_property
    def reliability(self) -> dict[str, Any]:
        """By split, how probabilities compare with what came true."""
        return self.folder.read_reliability()

    @cached_property
    def label_errors(self) -> dict[str, Any]:
        """Labels that are perhaps wrong."""
        return self.folder.read_label_errors()


def measure(
    model: str | Path,
    wish: Wish,
    *,
    tune_thresholds: bool = False,
    calibrate: bool = False,
    device: str | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> Evaluation:
    """Evaluate, write the reports of what was measured, and say on stderr what a user should know.

    Arguments and errors are those of `finetune.evaluation.evaluate.evaluate`.
    """
    from finetune.evaluation.evaluate import evaluate
    from finetune.report import write_report

    tune = {"tune_thresholds": tune_thresholds, "calibrate": calibrate}
    told = evaluate(model, wish, **tune, device=device, on_batch=on_batch)
    for note in told.notes:
        print(note, file=sys.stderr)
    for folder in {told.tuned or told.folder, told.folder}:
        write_report(folder)
    return Evaluation(told.folder)


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
