"""What a user names as images, as one stream of rows in the order given.

======================== =================================================================================
an image file            one row
a folder                 every image in it and below it, folder by folder, sorted by name; other files are
                         passed over
bundled:NAME             the folder of a set that comes with this package
a glob                   what it matches, sorted; ``**`` goes down all folders
.csv, .tsv, .parquet,    a row each, see `finetune.batch.tables`
.jsonl
======================== =================================================================================

Nothing is kept: the stream can be read again, and gives the same rows as long as the files are the same.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from finetune.batch.rows import Row
from finetune.batch.tables import SUFFIXES, Table
from finetune.data.bundled import bundled_root
from finetune.data.folder import walk
from finetune.errors import DataError, did_you_mean


class Inputs:
    """The rows of what a user named.

    Args:
        words: Paths and globs.
        column: Column of tables that holds the image; by default one of the usual names.
        paths_from: Folder that relative paths in tables start from; by default each table's own.
    Raises:
        DataError: something is not there, a glob matches nothing, a folder has no image, or a table no such column: all
            that is known before the images are read.
    """

    def __init__(self, words: Sequence[str], column: str | None = None, paths_from: str | None = None) -> None:
        self.words, self._column, self._paths_from = [_place(word) for word in words], column, paths_from
        if paths_from is not None and not os.path.isdir(os.path.expanduser(paths_from)):
            raise DataError(f"--paths-from {paths_from}: there is no such folder")
        faults = [fault for word in self.words for fault in self._faults(word)]
        if faults:
            raise DataError("\n".join(faults))

    def __iter__(self) -> Iterator[Row]:
        for word in self.words:
            for path in _paths(word):
                yield from self._rows(path)

    def count(self) -> int:
        """How many rows there are: the names are read, and no image."""
        return sum(1 for _ in self)

    def _faults(self, word: str) -> Iterator[str]:
        paths = _paths(word)
        if not paths:
            yield _missing(word)
        for path in paths:
            try:
                next(self._rows(path), None)
            except DataError as error:
                yield str(error)

    def _rows(self, path: str) -> Iterator[Row]:
        if os.path.isdir(path):
            found = False
            for folder in walk(path):
                for name in folder.images:
                    found = True
                    yield Row(os.path.join(folder.path, name), file=name)
            if not found:
                raise DataError(f"{path}: there is no image in this folder, nor below it")
        elif _is_table(path):
            yield from Table(path, self._column, self._paths_from).rows()
        else:
            yield Row(path, file=os.path.basename(path))


def _place(word: str) -> str:
    if word.startswith("bundled:"):
        return str(bundled_root(word.removeprefix("bundled:")))
    return os.path.expanduser(word)


def _is_table(path: str) -> bool:
    return os.path.splitext(path)[1].casefold() in SUFFIXES


def _paths(word: str) -> list[str]:
    return [word] if os.path.exists(word) else _matches(word)


def _matches(word: str) -> list[str]:
    return sorted(glob.glob(word, recursive=True)) if glob.has_magic(word) else []


def _missing(word: str) -> str:
    if glob.has_magic(word):
        return f"{word}: there is no such file, and as a glob it matches nothing"
    parent = Path(word).absolute().parent
    beside = os.listdir(parent) if parent.is_dir() else []
    return f"{word}: there is no such file or folder{did_you_mean(Path(word).name, beside)}"
