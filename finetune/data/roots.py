"""Where a recipe's ``data.root`` really is: a folder, a set that ships with the project, or a download."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.data.download import archive_record, fetched_root
from finetune.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from finetune.recipe.sections import CsvData, FolderData, JsonlData


@dataclass(frozen=True)
class Root:
    """An existing folder and, where it came from a download, the archive's url, sha256 and size."""

    path: Path
    download: dict[str, Any] | None = None


def find_root(data: FolderData | CsvData | JsonlData) -> Root:
    """The folder that ``data.root`` names; fetched where it does not exist and a download is given.

    Raises:
        DataError: there is no such folder, or it is a file.
        UnreachableError: it has to be fetched and cannot be.
    """
    if data.root.startswith("bundled:"):
        from finetune.data.bundled import bundled_root

        return Root(bundled_root(data.root.removeprefix("bundled:")).absolute())
    path = Path(data.root).expanduser().absolute()
    if path.is_dir():
        return Root(path)
    if path.exists():
        raise DataError(_is_a_file(path))
    if data.download is None:
        raise DataError(_missing(path))
    return Root(fetched_root(data.download, data.root), archive_record(data.download))


def _is_a_file(path: Path) -> str:
    if path.suffix.casefold() == ".zip":
        cure = f"unpack it, or set data.download: {{url: {path.as_uri()}}} and a data.root that does not exist yet"
    elif path.suffix.casefold() in (".csv", ".tsv", ".txt"):
        cure = f"set data: {{kind: csv, root: {path.parent}, file: {path.name}}}"
    elif path.suffix.casefold() in (".jsonl", ".json"):
        cure = f"set data: {{kind: jsonl, root: {path.parent}, file: {path.name}}}"
    else:
        cure = "expected a folder"
    return f"data.root: {path} is a file; {cure}"


def _missing(path: Path) -> str:
    beside = [entry.name for entry in path.parent.iterdir() if entry.is_dir()] if path.parent.is_dir() else []
    what = (
        did_you_mean(path.name, beside)
        or "; it is looked up from the folder the command runs in, unless it is absolute"
    )
    return f"data.root: there is no folder {path}{what}"
