"""What a model card is written from: all that a run's files say, read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.labels import LabelSpace
from finetune.model.decision import Decision, read_decision
from finetune.model.loading import read_preprocessing
from finetune.pixels import PixelPipeline
from finetune.recipe import Recipe
from finetune.report.contents import Row, headlines, rows_of
from finetune.run_folder import RunFolder


@dataclass(frozen=True)
class Facts:
    """A finished run.

    Args:
        run: Its folder.
        recipe: As it was carried out.
        record: Its ``record.json``.
        metrics: By held-out split, in their order.
        labels: The classes.
        decision: What was tuned.
        pixels: How images are prepared.
        rows: The predictions of `split`.
        evaluations: How often the validation split was scored during training.
    """

    run: RunFolder
    recipe: Recipe
    record: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, Any]]
    labels: LabelSpace
    decision: Decision
    pixels: PixelPipeline
    rows: Sequence[Row]
    evaluations: int

    @property
    def task(self) -> str:
        """multiclass or multilabel."""
        return self.recipe.task

    @property
    def split(self) -> str | None:
        """The held-out split that speaks for the model: test where there is one; None where nothing was held out."""
        return told_split(self.metrics)

    @property
    def found(self) -> Mapping[str, Any]:
        """The metrics of that split."""
        return self.metrics[self.split] if self.split else {}

    @property
    def headline(self) -> dict[str, Any] | None:
        """Name, value and interval of the first headline metric of that split; None where it has no value."""
        if self.split is None:
            return None
        first = headlines(self.task, {self.split: self.found})[0]
        (cell,) = first["cells"]
        return None if cell["value"] is None else {"name": first["name"], **cell}

    @property
    def base(self) -> Mapping[str, Any]:
        """The checkpoint, as the record has it."""
        found: Mapping[str, Any] = self.record["checkpoint"]
        return found

    @property
    def chose_weights(self) -> bool:
        """Whether validation images chose which epoch's weights were saved."""
        chosen = self.record["derived"]["best_metric"] in self.record["best"]
        return "validation" in self.metrics and self.evaluations > 1 and chosen


def told_split(metrics: Mapping[str, Any]) -> str | None:
    """Test where there is one, else the first; None where nothing was held out."""
    return "test" if "test" in metrics else next(iter(metrics), None)


def read_facts(run: RunFolder, labels: LabelSpace) -> Facts:
    """Read a run's files.

    Raises:
        RunFolderError: one that every finished run has is missing.
    """
    recipe, metrics = run.read_recipe(), run.read_metrics()
    return Facts(
        run=run,
        recipe=recipe,
        record=run.read_record(),
        metrics=metrics,
        labels=labels,
        decision=read_decision(run.model, labels),
        pixels=read_preprocessing(run.model),
        rows=rows_of(run, told_split(metrics), recipe.task),
        evaluations=len(run.read_history()),
    )
