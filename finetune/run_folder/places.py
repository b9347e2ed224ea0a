"""Where run folders stand: recognised, made under a free name, deleted, and found by name."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from finetune.errors import RunFolderError, did_you_mean
from finetune.run_folder.claim import claim, release
from finetune.run_folder.json_files import read_json


def make_folder(root: Path, name: str) -> Path:
    """The first of ``root/name``, ``root/name-2`` … that did not exist, made."""
    if not name.strip() or name in (".", "..") or re.search(r"[/\\\0]", name):
        raise RunFolderError(f"run.name {name!r} is not the name of a folder; a path before it goes into run.root")
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


def delete_run(path: Path) -> None:
    """Delete what stands at ``path`` if it is a run folder, and nothing else."""
    if not path.exists() and not path.is_symlink():
        return
    if path.is_symlink() or not is_run(path):
        raise RunFolderError(
            f"{path}: --overwrite replaces run folders only, and this is none; choose another run.name"
        )
    claim(path.absolute())
    # Renamed first: a deletion that is cut short leaves no half of a run under the name.
    doomed = path.with_name(f".{path.name}.deleted-{os.getpid()}")
    try:
        path.rename(doomed)
        shutil.rmtree(doomed)
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be overwritten: {error.strerror}") from error
    finally:
        release(path.absolute())


def is_run(path: Path) -> bool:
    """Whether a record of ours lies in the folder; a user's own folder may well hold a recipe.yaml."""
    try:
        return "status" in read_json(path / "record.json")
    except (OSError, TypeError, RunFolderError):
        return False


def runs_named(root: Path, name: str) -> list[Path]:
    """The run folders that were made for a name: ``name``, ``name-2`` …"""
    of_name = re.compile(re.escape(name) + r"(-\d+)?")
    folders = sorted(root.iterdir()) if root.is_dir() else []
    return [path for path in folders if of_name.fullmatch(path.name) and is_run(path)]


def must_be_run(path: Path) -> None:
    """Raise a RunFolderError that helps on if ``path`` is not a run folder."""
    if is_run(path):
        return
    if not path.is_dir():
        known = [folder.name for folder in path.parent.iterdir() if is_run(folder)] if path.parent.is_dir() else []
        what = "is a file, not a run folder" if path.exists() else "there is no such run folder"
        raise RunFolderError(f"{path}: {what}{did_you_mean(path.name, known)}")
    runs = sorted(folder.name for folder in path.iterdir() if is_run(folder))
    if runs:
        raise RunFolderError(f"{path}: holds run folders ({', '.join(runs[:10])}) but is none; name one of them")
    hint = f"; its run folder is {path.parent}" if is_run(path.parent) else ""
    raise RunFolderError(f"{path}: is not a run folder, it has no record.json of one{hint}")
