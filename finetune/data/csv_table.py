"""Tables of images: a path and labels per row, in a delimited text file.

Three forms, told apart by the recipe:

* one label per row: ``filename,labels`` / ``1.jpg,can``                        (task: multiclass)
* labels in one cell: ``filename,labels`` / ``1.jpg,can carton``                (task: multilabel)
* one 0/1 column per class: ``filename,can,carton`` / ``1.jpg,1,``              (data.label_columns)

Cells are text and stay text: a class called NA, None or 007 is a class. Space around a cell does not count. Paths
start from ``data.images``, or are absolute; they may lead anywhere on this machine, like the paths of the recipe.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.data.cells import LabelCells, read_split, refuse_hidden_label_lists
from finetune.data.row_faults import RowFaults
from finetune.data.rows import Rows, SplitName, composed, files_by_split, stable_name
from finetune.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from finetune.recipe.sections import CsvData


def read_csv(data: CsvData, root: Path, multilabel: bool) -> Rows:
    """The rows of one table, or of one table per split.

    Raises:
        DataError: a table cannot be read, lacks a column, or has faulty rows; every kind of fault is listed.
    """
    images = root / data.images
    if not images.is_dir():
        raise DataError(
            f"data.images: there is no folder {images}; it is where the paths in the table start from"
            f" (data.images: . for paths relative to {root})"
        )
    rows = _empty(data)
    faults = RowFaults()
    tables = files_by_split(data.file)
    for split, name in tables.items():
        _add_table(rows, faults, _Table(root / name, name, data), split, images, multilabel)
    faults.raise_any()
    if not len(rows):
        raise DataError(f"{', '.join(tables.values())}: there are no rows below the header")
    if not multilabel and not data.label_columns:
        refuse_hidden_label_lists(rows, data.label_separator)
    return rows


def _empty(data: CsvData) -> Rows:
    return Rows(
        source_of=[],
        lines=[],
        unknown=[] if data.label_columns else None,
        splits=[] if data.split_column or not isinstance(data.file, str) else None,
        groups=[] if data.group_column else None,
        classes=tuple(sorted(map(composed, data.label_columns))) if data.label_columns else None,
    )


class _Table:
    """One open table: its lines, and where in them the columns are that the recipe names."""

    def __init__(self, path: Path, name: str, data: CsvData) -> None:
        self.name, self.data = name, data
        self._reader = csv.reader(_lines(path, name), delimiter=data.delimiter, strict=True)
        self.header = [cell.strip() for cell in next(self._rows(), [])]
        self._refuse_bad_header()
        self.path = self._position("path_column", data.path_column)
        self.labels = LabelCells(data, self.header, self._position)
        self.split = self._position("split_column", data.split_column) if data.split_column else None
        self.group = self._position("group_column", data.group_column) if data.group_column else None

    def rows(self, faults: RowFaults) -> Iterator[tuple[int, list[str]]]:
        """Line number and cells of each row that has as many cells as the header."""
        for cells in self._rows():
            line = self._reader.line_num
            if len(cells) == len(self.header):
                yield line, [cell.strip() for cell in cells]
            else:
                what = f"{len(cells)} cells, but the header has {len(self.header)}"
                faults.add(
                    "cells",
                    f"{self.name} line {line}: {what}; is a {_yaml(self.data.delimiter)} within a cell not quoted?",
                )

    def _rows(self) -> Iterator[list[str]]:
        try:
            yield from (cells for cells in self._reader if any(cell.strip() for cell in cells))
        except csv.Error as error:
            raise DataError(f"{self.name} line {self._reader.line_num}: {error}; is a quote not closed?") from error

    def _refuse_bad_header(self) -> None:
        if not self.header:
            raise DataError(f"{self.name}: the file is empty; expected a header with the names of the columns")
        twice = sorted({name for name in self.header if self.header.count(name) > 1})
        if twice:
            raise DataError(f"{self.name} line 1: the column {twice[0]!r} occurs twice")

    def _position(self, key: str, column: str) -> int:
        if column in self.header:
            return self.header.index(column)
        if len(self.header) == 1:
            raise DataError(f"{self.name} line 1: {self._one_column()}")
        hint = did_you_mean(column, self.header)
        found = ", ".join(self.header[:20]) + (" …" if len(self.header) > 20 else "")
        raise DataError(f"{self.name} line 1: there is no column {column!r} (data.{key}){hint}; columns found: {found}")

    def _one_column(self) -> str:
        only = self.header[0]
        other = next((letter for letter in ",;\t|" if letter != self.data.delimiter and letter in only), None)
        cure = f"set data.delimiter: {_yaml(other)}" if other else "data.delimiter says what stands between cells"
        return f"only one column is found, {only!r}, with the delimiter {_yaml(self.data.delimiter)}; {cure}"


def _yaml(letter: str) -> str:
    return '"\\t"' if letter == "\t" else f'"{letter}"'


def _add_table(
    rows: Rows, faults: RowFaults, table: _Table, split: SplitName | None, images: Path, multilabel: bool
) -> None:
    source = len(rows.sources)
    rows.sources.append(table.name)
    base = str(images)
    assert rows.source_of is not None
    assert rows.lines is not None
    for line, cells in table.rows(faults):
        where = f"{table.name} line {line}"
        if not cells[table.path]:
            faults.add("path", f"{where}: the cell {table.data.path_column!r} is empty; expected an image's path")
            continue
        path = _image_path(base, cells[table.path])
        rows.paths.append(path)
        rows.names.append(stable_name(path.removeprefix(base + os.sep)))
        present, unknown = table.labels.read(cells, where, faults, multilabel)
        rows.labels.append(present)
        if rows.unknown is not None:
            rows.unknown.append(unknown)
        if rows.splits is not None:
            rows.splits.append(split if table.split is None else read_split(cells[table.split], where, faults))
        if rows.groups is not None and table.group is not None:
            rows.groups.append(cells[table.group])
        rows.source_of.append(source)
        rows.lines.append(line)


def _image_path(base: str, cell: str) -> str:
    """The file a cell names; a table written on Windows has backslashes."""
    path = os.path.normpath(os.path.join(base, cell))
    if "\\" in cell and os.sep == "/" and not os.path.exists(path):
        return os.path.normpath(os.path.join(base, cell.replace("\\", "/")))
    return path


def _lines(path: Path, name: str) -> Iterator[str]:
    """Lines of a UTF-8 file, with or without a byte order mark, whatever ends them."""
    try:
        with path.open("rb") as raw:
            start = raw.read(2)
        if start in (b"\xff\xfe", b"\xfe\xff"):
            raise DataError(f"{name}: is UTF-16; save it as UTF-8")
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from file
    except FileNotFoundError:
        beside = [entry.name for entry in path.parent.iterdir() if entry.is_file()] if path.parent.is_dir() else []
        raise DataError(f"data.file: there is no file {path}{did_you_mean(path.name, beside)}") from None
    except UnicodeDecodeError as error:
        bad = error.object[error.start : error.start + 1]
        raise DataError(f"{name}: is not UTF-8 ({bad!r} at byte {error.start} of a block); save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"data.file: {path} cannot be read ({error.strerror})") from error
