"""``ensemble.json``: which run folders within a folder predict together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from finetune.errors import RunFolderError
from finetune.run_folder.folder import RunFolder
from finetune.run_folder.json_files import read_json, write_json

_FILE = "ensemble.json"


def is_ensemble(folder: str | Path) -> bool:
    """Whether the folder's runs predict together."""
    return (Path(folder) / _FILE).is_file()


def refuse_unfinished(folder: str | Path) -> None:
    """Say what can be done with a cross-validation that has not come to its end; other folders are none of it.

    Raises:
        RunFolderError: it has no ``ensemble.json`` yet.
    """
    run = RunFolder(Path(folder))
    folds = read_json(run.record).get("folds") if run.record.is_file() else None
    if folds is not None and not is_ensemble(folder):
        done = [path.parent.parent for path in sorted(run.path.glob("fold-*/model/config.json"))]
        single = f", or open one fold, such as {RunFolder(done[0])}" if done else ""
        raise RunFolderError(
            f"{run}: this cross-validation has finished {len(done)} of its {folds} folds (it is {run.status}); go on "
            f"with it by crossval --resume --folds {folds}{single}"
        )


def write_members(folder: Path, names: Sequence[str]) -> None:
    """Say that the run folders of these names, right below the folder, predict together."""
    write_json(folder / _FILE, {"members": list(names)})


def read_members(folder: str | Path) -> list[RunFolder]:
    """The run folders that predict together, in order.

    Raises:
        RunFolderError: the file is damaged, or a run that it names is missing or has no model.
    """
    path = Path(folder) / _FILE
    content = read_json(path)
    names = content.get("members") if isinstance(content, dict) else None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise RunFolderError(f'{path}: expected {{"members": ["fold-1", …]}}; restore the file or start the run again')
    return [RunFolder.open(path.parent / name) for name in names]
