"""The run folder: what is in it, how it is written and how it is read back.

    runs/fridge/
      record.json        status, versions, hardware, data, seconds …
      recipe.yaml        the resolved recipe, itself a valid recipe
      history.jsonl      a line per evaluation
      checkpoints/       what --resume goes on from
      tensorboard/       curves
      model/             what transformers loads as it is             (when training is over)
      metrics.json       {"validation": {"accuracy": …}, "test": …}   (when training is over)
      predictions.jsonl  a line per validation and test image         (when training is over)

A file appears whole or not at all: it is written under another name, then renamed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from finetune.errors import RunFolderError, did_you_mean
from finetune.json_files import append_json_line, read_json, read_json_lines, write_json, write_json_lines, write_text

if TYPE_CHECKING:
    from finetune.recipe import Recipe

Status = Literal["running", "interrupted", "finished"]


@dataclass(frozen=True)
class RunFolder:
    """A run folder on disk; its properties are the paths of its parts.

    Args:
        path: The folder. It is made absolute, so that a later change of the working directory does not matter.
    """

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path).expanduser().absolute())

    def __str__(self) -> str:
        """The path, relative to the working directory where it lies below it."""
        return str(self.path.relative_to(Path.cwd()) if self.path.is_relative_to(Path.cwd()) else self.path)

    # ------------------------------------------------------------ finding

    @classmethod
    def create(cls, root: str | Path, name: str, overwrite: bool = False) -> RunFolder:
        """Make a new run folder ``root/name``, with the status ``running``.

        Where it exists already, ``-2``, ``-3`` … is appended; no two callers get the same folder.

        Args:
            overwrite: Delete the run that stands at ``root/name`` and take its place.
        Raises:
            RunFolderError: the name is no folder name, the folder cannot be made, or what is to be
                overwritten is not a run folder.
        """
        if not name.strip() or name in (".", "..") or re.search(r"[/\\\0]", name):
            raise RunFolderError(f"run.name {name!r} is not the name of a folder; a path before it goes into run.root")
        if overwrite:
            _delete_run(Path(root).expanduser() / name)
        run = cls(_make_folder(Path(root).expanduser(), name))
        run.update_record({"status": "running", "created": datetime.now(timezone.utc).isoformat()})
        return run

    @classmethod
    def find_interrupted(cls, root: str | Path, name: str) -> RunFolder:
        """The newest run of that name that was interrupted or killed, the one that ``--resume`` goes on with.

        Raises:
            RunFolderError: there is none; the message says what there is instead.
        """
        states = {run: run.status for run in _runs_named(Path(root).expanduser(), name)}
        unfinished = [run for run, status in states.items() if status != "finished"]
        if unfinished:
            return max(unfinished, key=lambda run: str(run.read_record().get("created", "")))
        there = ", ".join(f"{run.path.name} is {status}" for run, status in states.items()) or "there is no such run"
        raise RunFolderError(
            f"{Path(root) / name}: no interrupted run to resume ({there}); leave out --resume to start a new one"
        )

    @classmethod
    def open(cls, path: str | Path, unfinished: bool = False) -> RunFolder:
        """A run that is there.

        Args:
            unfinished: Also take one that has no model yet, for a look at its history.
        Raises:
            RunFolderError: there is no such folder, it is not a run folder, or it has no model yet.
        """
        run = cls(Path(path))
        _must_be_run(run.path)
        if not unfinished and not (run.model / "config.json").is_file():
            raise RunFolderError(
                f"{run}: this run has no model yet (it is {run.status}); "
                + ("start its recipe again" if run.status == "finished" else "go on with it by --resume")
            )
        return run

    # ------------------------------------------------------------ paths

    @property
    def model(self) -> Path:
        """Folder that ``transformers.pipeline("image-classification", model=…)`` loads as it is."""
        return self.path / "model"

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.yaml"

    @property
    def metrics(self) -> Path:
        """Metrics of the finished model, by split."""
        return self.path / "metrics.json"

    @property
    def history(self) -> Path:
        """A line per evaluation."""
        return self.path / "history.jsonl"

    @property
    def predictions(self) -> Path:
        """A line per validation and test image."""
        return self.path / "predictions.jsonl"

    @property
    def record(self) -> Path:
        """What was really used and done."""
        return self.path / "record.json"

    @property
    def checkpoints(self) -> Path:
        """What training goes on from after an interruption."""
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """Curves for TensorBoard."""
        return self.path / "tensorboard"

    # ------------------------------------------------------------ recipe

    def write_recipe(self, recipe: Recipe) -> None:
        """Save the resolved recipe."""
        from finetune.recipe import dump_recipe

        write_text(self.recipe, dump_recipe(recipe))

    def read_recipe(self) -> Recipe:
        """The resolved recipe."""
        from finetune.recipe import load_recipe

        self._must_have(self.recipe)
        return load_recipe(self.recipe)

    # ------------------------------------------------------------ record, metrics

    @property
    def status(self) -> Status:
        """``running`` (or killed while it ran), ``interrupted`` or ``finished``."""
        status: Status = self.read_record().get("status", "running")
        return status

    def update_record(self, fields: Mapping[str, Any]) -> None:
        """Set these fields of ``record.json`` and keep the others."""
        kept = self.read_record() if self.record.exists() else {}
        write_json(self.record, {**kept, **fields})

    def read_record(self) -> dict[str, Any]:
        """``record.json``."""
        self._must_have(self.record)
        record: dict[str, Any] = read_json(self.record)
        return record

    def write_metrics(self, metrics: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Save the metrics, by split."""
        write_json(self.metrics, metrics)

    def read_metrics(self) -> dict[str, dict[str, Any]]:
        """The metrics, by split."""
        self._must_have(self.metrics)
        metrics: dict[str, dict[str, Any]] = read_json(self.metrics)
        return metrics

    # ------------------------------------------------------------ history

    def append_history(self, line: Mapping[str, Any]) -> None:
        """Add one evaluation; when this returns, the line is on the disk.

        Args:
            line: Has ``step``, the optimiser steps done when it was measured.
        """
        append_json_line(self.history, line)

    def read_history(self) -> list[dict[str, Any]]:
        """All evaluations, oldest first; none before the first one."""
        return list(read_json_lines(self.history)) if self.history.exists() else []

    def truncate_history(self, step: int) -> None:
        """Forget evaluations after ``step``, which a resumed run makes again."""
        write_json_lines(self.history, [line for line in self.read_history() if line["step"] <= step])

    # ------------------------------------------------------------ predictions

    def write_predictions(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Save predictions as they come, without holding them all.

        Args:
            rows: ``{"split", "path", "true", "predicted", "probabilities"}`` and, where a label is
                unknown, ``"unknown"``; see `finetune.predict.prediction_rows`.
        """
        write_json_lines(self.predictions, rows)

    def read_predictions(self) -> Iterator[dict[str, Any]]:
        """Predictions, one at a time."""
        self._must_have(self.predictions)
        return read_json_lines(self.predictions)

    def _must_have(self, file: Path) -> None:
        if not file.is_file():
            raise RunFolderError(f"{self}: this run has no {file.name}")


def _make_folder(root: Path, name: str) -> Path:
    """The first of ``root/name``, ``root/name-2`` … that did not exist, made."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            path = root / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir()
                return path
            except FileExistsError:
                number += 1
    except OSError as error:
        raise RunFolderError(f"{root / name}: the run folder cannot be made: {error.strerror}; set run.root") from error


def _delete_run(path: Path) -> None:
    """Delete what stands at ``path`` if it is a run folder, and nothing else."""
    if not path.exists() and not path.is_symlink():
        return
    if path.is_symlink() or not _is_run(path):
        raise RunFolderError(
            f"{path}: --overwrite replaces run folders only, and this is none; choose another run.name"
        )
    # Renamed first: a deletion that is cut short leaves no half of a run under the name.
    doomed = path.with_name(f".{path.name}.deleted-{os.getpid()}")
    try:
        path.rename(doomed)
        shutil.rmtree(doomed)
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be overwritten: {error.strerror}") from error


def _is_run(path: Path) -> bool:
    """Whether a record of ours lies in the folder; a user's own folder may well hold a recipe.yaml."""
    try:
        return "status" in read_json(path / "record.json")
    except (OSError, TypeError, RunFolderError):
        return False


def _runs_named(root: Path, name: str) -> list[RunFolder]:
    """The runs that `RunFolder.create` made for a name."""
    of_name = re.compile(re.escape(name) + r"(-\d+)?")
    folders = sorted(root.iterdir()) if root.is_dir() else []
    return [RunFolder(path) for path in folders if of_name.fullmatch(path.name) and _is_run(path)]


def _must_be_run(path: Path) -> None:
    """Raise a RunFolderError that helps on if ``path`` is not a run folder."""
    if _is_run(path):
        return
    if not path.is_dir():
        known = [folder.name for folder in path.parent.iterdir() if _is_run(folder)] if path.parent.is_dir() else []
        what = "is a file, not a run folder" if path.exists() else "there is no such run folder"
        raise RunFolderError(f"{path}: {what}{did_you_mean(path.name, known)}")
    runs = sorted(folder.name for folder in path.iterdir() if _is_run(folder))
    if runs:
        raise RunFolderError(f"{path}: holds run folders ({', '.join(runs[:10])}) but is none; name one of them")
    hint = f"; the run folder is {path.parent}" if _is_run(path.parent) else ""
    raise RunFolderError(f"{path}: is not a run folder, it has no record.json of one{hint}")
