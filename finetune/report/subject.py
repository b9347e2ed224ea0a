"""What a report is about: a run, a cross-validation or a later evaluation, told in the same terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finetune.run_folder import ResultFolder, RunFolder, is_ensemble, refuse_unfinished


@dataclass(frozen=True)
class Subject:
    """What a report says beside metrics and predictions.

    Args:
        title: Its name.
        task: multiclass or multilabel.
        created: When, as ISO 8601, and what was done then: trained or measured.
        data: Kind, root and counts of the images, and findings where they were looked at.
        notice: That something else was used than the recipe names.
        seconds: By phase.
        facts: By group, names and values: hardware, versions.
        recipe: Its text; None for an evaluation.
        history: The evaluations during training.
        thresholds: By class, the tuned ones that an evaluation went by; a run has them in its tuning.json.
        best_metric, best_step: What picked the saved weights.
    """

    title: str
    task: str
    created: tuple[str, str] = ("", "")
    data: Mapping[str, Any] = field(default_factory=dict)
    notice: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recipe: str | None = None
    history: Sequence[Mapping[str, Any]] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    best_metric: str = "accuracy"
    best_step: int | None = None


def open_subject(path: str | Path) -> ResultFolder:
    """The folder that a report is asked of.

    Raises:
        RunFolderError: it is none, or its run has no model yet.
    """
    refuse_unfinished(path)
    if ResultFolder(Path(path)).data.is_file():
        return ResultFolder(Path(path))
    return RunFolder(Path(path)) if is_ensemble(path) else RunFolder.open(path)


def subject_of(folder: ResultFolder) -> Subject:
    """What the folder's files say.

    Raises:
        RunFolderError: they are missing.
    """
    return _run(folder) if isinstance(folder, RunFolder) else _evaluation(folder)


def _run(folder: RunFolder) -> Subject:
    record, recipe = folder.read_record(), folder.read_recipe()
    return Subject(
        title=recipe.run.name or folder.path.name,
        task=recipe.task,
        created=(record.get("created", ""), "trained"),
        data=record.get("data", {}),
        notice=record.get("notice"),
        seconds=record.get("seconds", {}),
        facts={"hardware": record.get("hardware") or {}, "versions": record.get("versions") or {}},
        recipe=folder.recipe.read_text(encoding="utf-8"),
        history=folder.read_history(),
        best_metric=record.get("derived", {}).get("best_metric", "accuracy"),
        best_step=record.get("best", {}).get("step"),
    )


def _evaluation(folder: ResultFolder) -> Subject:
    said = folder.read_data()
    pixels = {f"pixels: {name}": value for name, value in said["preprocessing"].items()}
    shown = {name: said[name] for name in ("model", "precision", "flip", "device")}
    return Subject(
        title=f"{Path(said['model']).name} on {folder.path.name}",
        task=said["task"],
        created=(said["created"], "measured"),
        data=said["data"],
        seconds={"all": said["seconds"]},
        facts={"hardware": {**shown, **pixels}},
        thresholds=dict(zip(said["classes"], said["decision"]["thresholds"] or (), strict=False)),
    )
