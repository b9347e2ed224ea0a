"""A run folder as an object: its paths, and how each part is written and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from finetune.errors import RunFolderError
from finetune.recipe import Recipe, dump_recipe, load_recipe, with_overrides
from finetune.run_folder.claim import claim, release
from finetune.run_folder.json_files import (
    append_json_line,
    read_json,
    read_json_lines,
    write_json,
    write_json_lines,
    write_text,
)
from finetune.run_folder.places import delete_run, make_folder, must_be_run, runs_named
from finetune.run_folder.results import ResultFolder

Status = Literal["running", "interrupted", "finished"]


@dataclass(frozen=True)
class RunFolder(ResultFolder):
    """A run folder on disk; its properties are the paths of its parts, metrics and predictions among them."""

    # ------------------------------------------------------------ finding

    @classmethod
    def create(cls, root: str | Path, name: str, overwrite: bool = False) -> RunFolder:
        """Make a new run folder ``root/name`` with the status ``running``, claimed by this process.

        Where it exists already, ``-2``, ``-3`` … is appended; no two callers get the same folder.

        Args:
            overwrite: Delete the run that stands at ``root/name`` and take its place.
        Raises:
            RunFolderError: the name is no folder name, the folder cannot be made, or what is to be
                overwritten is not a run folder or still runs.
        """
        if overwrite:
            delete_run(Path(root).expanduser() / name)
        run = cls(make_folder(Path(root).expanduser(), name))
        claim(run.path)
        run.update_record({"status": "running", "created": datetime.now(timezone.utc).isoformat()})
        return run

    @classmethod
    def find_interrupted(cls, root: str | Path, name: str) -> RunFolder:
        """The newest run of that name that was interrupted or killed, claimed by this process to go on with it.

        Raises:
            RunFolderError: there is none (the message says what there is instead), or it still runs.
        """
        states = {run: run.status for run in map(cls, runs_named(Path(root).expanduser(), name))}
        unfinished = [run for run, status in states.items() if status != "finished"]
        if unfinished:
            newest = max(unfinished, key=lambda run: str(run.read_record().get("created", "")))
            claim(newest.path)
            return newest
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
        must_be_run(run.path)
        if not unfinished and not (run.model / "config.json").is_file():
            raise RunFolderError(
                f"{run}: this run has no model yet (it is {run.status}); "
                + ("start its recipe again" if run.status == "finished" else "go on with it by --resume")
            )
        return run

    def discard(self) -> None:
        """Delete this run, which came to nothing: a fault was found before anything was learnt."""
        delete_run(self.path)

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
    def history(self) -> Path:
        """A line per evaluation."""
        return self.path / "history.jsonl"

    @property
    def record(self) -> Path:
        """What was really used and done."""
        return self.path / "record.json"

    @property
    def digests(self) -> Path:
        """What the bytes of each image are known by."""
        return self.path / "digests.jsonl"

    @property
    def checkpoints(self) -> Path:
        """What training goes on from after an interruption."""
        return self.path / "checkpoints"

    @property
    def evaluations(self) -> Path:
        """A folder for each later evaluation, see `finetune.run_folder.results`."""
        return self.path / "evaluations"

    @property
    def exports(self) -> Path:
        """A folder for each other program that the run was exported to."""
        return self.path / "export"

    @property
    def tensorboard(self) -> Path:
        """Curves for TensorBoard."""
        return self.path / "tensorboard"

    # ------------------------------------------------------------ recipe

    def write_recipe(self, recipe: Recipe) -> None:
        """Save the resolved recipe."""
        write_text(self.recipe, dump_recipe(recipe))

    def read_recipe(self) -> Recipe:
        """The resolved recipe."""
        self._must_have(self.recipe)
        return load_recipe(self.recipe)

    def read_recipe_from_anywhere(self) -> Recipe:
        """The recipe with its data's absolute path: the working directory may be another than it was."""
        recipe = self.read_recipe()
        root, used = getattr(recipe.data, "root", None), self.read_record().get("data", {}).get("root")
        if root is None or used is None or root.startswith("bundled:"):
            return recipe
        return with_overrides(recipe, {"data.root": used})

    # ------------------------------------------------------------ record

    @property
    def status(self) -> Status:
        """``running`` (or killed while it ran), ``interrupted`` or ``finished``."""
        status: Status = self.read_record().get("status", "running")
        return status

    def update_record(self, fields: Mapping[str, Any]) -> None:
        """Set these fields of ``record.json`` and keep the others. A status other than running gives up the claim."""
        kept = self.read_record() if self.record.exists() else {}
        write_json(self.record, {**kept, **fields})
        if fields.get("status", "running") != "running":
            release(self.path)

    def read_record(self) -> dict[str, Any]:
        """``record.json``."""
        self._must_have(self.record)
        record: dict[str, Any] = read_json(self.record)
        return record

    # ------------------------------------------------------------ images

    def write_digests(self, contents: Mapping[str, Sequence[bytes]]) -> None:
        """Save, by split, the digest of each image's bytes, by which it is known again wherever it lies."""
        lines = ({"split": name, "digests": [one.hex() for one in digests]} for name, digests in contents.items())
        write_json_lines(self.digests, lines)

    def read_digests(self) -> dict[str, list[bytes]] | None:
        """By split, the digest of each image's bytes; None of a run that did not write them."""
        if not self.digests.exists():
            return None
        return {line["split"]: list(map(bytes.fromhex, line["digests"])) for line in read_json_lines(self.digests)}

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
