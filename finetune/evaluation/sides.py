"""What runs predicted, read back for a comparison: the same split, the same images, the same labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

from finetune.errors import DataError, RunFolderError
from finetune.labels import LabelSpace
from finetune.metrics.definitions import MULTICLASS
from finetune.run_folder import ResultFolder, RunFolder, is_run

PREFERRED = ("test", "validation", "out_of_fold", "all")


@dataclass(frozen=True)
class Side:
    """One run's predictions of a split.

    Args:
        lines: Of ``predictions.jsonl``, by path.
        fingerprint: Of the data, wherever they lie; None where it is not on record.
        learned: Whether these data are also what the run learned from, cut into splits.
    """

    name: str
    task: Literal["multiclass", "multilabel"]
    labels: LabelSpace
    lines: dict[str, dict[str, Any]]
    fingerprint: str | None
    learned: bool


def read_sides(runs: Sequence[str | Path], split: str | None) -> list[Side]:
    """The predictions of each run.

    Raises:
        RunFolderError: a folder has no predictions.
        DataError: the runs have no split in common, or other tasks or classes.
    """
    folders = [_folder(run) for run in runs]
    splits = _splits(folders, split)
    sides = [_side(*each) for each in zip(_names(runs), folders, splits, strict=True)]
    first = sides[0]
    for side in sides[1:]:
        if (side.task, set(side.labels.names)) != (first.task, set(first.labels.names)):
            raise DataError(
                f"{side.name} is {side.task} of {', '.join(side.labels.names[:8])}, but {first.name} is {first.task} "
                f"of {', '.join(first.labels.names[:8])}; only runs of the same classes compare"
            )
    return sides


def _folder(run: str | Path) -> ResultFolder:
    path = Path(run).expanduser()
    folder = RunFolder(path) if is_run(path) else ResultFolder(path)
    if not folder.predictions.is_file() or not folder.metrics.is_file():
        what = "has no predictions yet" if path.is_dir() else "there is no such folder"
        raise RunFolderError(
            f"{run}: {what}; expected a finished run, or an evaluation, such as runs/photos/evaluations/new"
        )
    return folder


def _names(runs: Sequence[str | Path]) -> list[str]:
    """As the user named them; a run that is named twice is told apart."""
    names = [str(run).rstrip("/") for run in runs]
    return [name if names.count(name) == 1 else f"{name} ({i + 1})" for i, name in enumerate(names)]


def _splits(folders: Sequence[ResultFolder], split: str | None) -> list[str]:
    """Which split of each is compared."""
    there = [[name for name, found in folder.read_metrics().items() if "per_class" in found] for folder in folders]
    if split is not None:
        for folder, names in zip(folders, there, strict=True):
            if split not in names:
                raise DataError(f"{folder}: has no split {split}, but {', '.join(names) or 'none'}")
        return [split] * len(folders)
    for name in PREFERRED:
        if all(name in names for names in there):
            return [name] * len(folders)
    if all(len(names) == 1 for names in there):
        return [names[0] for names in there]
    said = "; ".join(f"{folder}: {', '.join(names) or 'none'}" for folder, names in zip(folders, there, strict=True))
    raise DataError(f"the runs have no split in common ({said}); evaluate them on the same images first")


def _side(name: str, folder: ResultFolder, split: str) -> Side:
    found = folder.read_metrics()[split]
    task: Literal["multiclass", "multilabel"] = "multiclass" if "confusion_matrix" in found else "multilabel"
    lines = {line["path"]: line for line in folder.read_predictions() if line["split"] == split}
    learned = isinstance(folder, RunFolder)
    said = folder.read_record() if isinstance(folder, RunFolder) else folder.read_data() if folder.data.exists() else {}
    return Side(name, task, LabelSpace(tuple(found["per_class"])), lines, _fingerprint(said), learned)


def _fingerprint(said: Mapping[str, Any]) -> str | None:
    found: str | None = said.get("data", {}).get("fingerprint")
    return found


def at_one_place(sides: Sequence[Side]) -> list[Side]:
    """The sides by the paths of the first, where the same data lay elsewhere for some of them."""
    first = sides[0]
    if first.fingerprint is None or any(side.fingerprint != first.fingerprint for side in sides):
        return list(sides)
    places = dict(zip(_below(first.lines), first.lines, strict=True))
    return [
        replace(
            side,
            lines={
                places.get(name, name): line for name, line in zip(_below(side.lines), side.lines.values(), strict=True)
            },
        )
        for side in sides
    ]


def _below(paths: Iterable[str]) -> list[str]:
    """What paths are called below the folder that all are in.

    >>> _below(["/photos/can/1.jpg", "/photos/carton/1.jpg"])
    ['can/1.jpg', 'carton/1.jpg']
    """
    parts = [path.split("/") for path in paths]
    columns = zip(*(names[:-1] for names in parts), strict=False)
    shared = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
    return ["/".join(names[shared:]) for names in parts]


def common_images(sides: Sequence[Side]) -> tuple[list[str], list[str]]:
    """Paths of the images that all have, with the same labels, and notes."""
    first, notes = sides[0], []
    shared = [path for path in first.lines if all(path in side.lines for side in sides)]
    if not shared:
        raise DataError(
            f"{' and '.join(side.name for side in sides)} have no image in common; evaluate them on the same images "
            "first, as in deit-finetune evaluate RUN --data photos"
        )
    if any(len(side.lines) != len(shared) for side in sides):
        sizes = ", ".join(f"{len(side.lines)} of {side.name}" for side in sides)
        notes.append(f"compared on the {len(shared)} images that all have (of {sizes})")
    agreed = [path for path in shared if len({_truth(side.lines[path]) for side in sides}) == 1]
    if len(agreed) < len(shared):
        notes.append(f"{len(shared) - len(agreed)} images are left out, because their labels are not the same")
    if not agreed:
        raise DataError("no image has the same labels in all runs; evaluate them on the same data first")
    for side in sides:
        abstained = sum(not side.lines[path]["predicted"] for path in agreed) if side.task == MULTICLASS else 0
        if abstained:
            notes.append(f"{side.name} abstains on {abstained} of these images; its most probable class counts there")
    if len({side.fingerprint for side in sides if side.learned}) > 1:
        notes.append(
            "the runs' data or splits are not the same, so one may have learned from images that are compared here; "
            "evaluate both on images that none has seen"
        )
    return agreed, notes


def _truth(line: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted(line["true"])), tuple(sorted(line.get("unknown", ())))
