"""A table of images: which column is the path, which are the labels, and what stands between them."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.data.csv_table import read_csv
from finetune.data.folder import EXTENSIONS
from finetune.data.rows import SPLIT_WORDS
from finetune.errors import DataError
from finetune.proposal.proposal import Proposal, describe
from finetune.recipe import CsvData

ROWS = 5000
"""How many rows are looked at."""
DELIMITERS = ",;\t|"
SEPARATORS = ("|", ";", ",", "/", "+", " ")
LABEL_WORDS = ("label", "labels", "class", "classes", "category", "categories", "tag", "tags", "target", "species")
GROUP_WORDS = ("patient", "patient_id", "subject", "subject_id", "group", "scene", "video", "person", "individual")
ZERO_ONE = {"0", "1", "0.0", "1.0", ""}


@dataclass(frozen=True)
class Table:
    """The first rows of a table.

    Args:
        path: The file.
        delimiter: What stands between cells.
        columns: Name to cells.
    """

    path: Path
    delimiter: str
    columns: dict[str, list[str]]


def read_table(path: Path) -> Table:
    """Look at a table's first rows.

    Raises:
        DataError: it is no table with a header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max(DELIMITERS, key=first.count)
            rows = [row for row, _ in zip(csv.reader(file, delimiter=delimiter), range(ROWS), strict=False) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a table ({error})") from error
    if len(rows) < 2:
        raise DataError(f"{path}: expected a header and at least one row")
    header = [name.strip() for name in rows[0]]
    if any(_is_image(name) for name in header):
        raise DataError(f"{path}: the first line is data already; add a header, such as filename{delimiter}label")
    whole = [row for row in rows[1:] if len(row) == len(header)]
    return Table(path, delimiter, {name: [row[i].strip() for row in whole] for i, name in enumerate(header)})


def propose_table(path: Path, file: str | dict[str, str]) -> Proposal:
    """A proposal for a table, or for several of one form.

    Args:
        path: The table that is looked at.
        file: What ``data.file`` will say, relative to the table's folder.
    Raises:
        DataError: no column holds image paths or labels.
    """
    table = read_table(path)
    path_column = _path_column(table)
    images, found = _images_folder(table, path_column)
    chosen: dict[str, Any] = {"file": file, "images": images, "delimiter": table.delimiter, "path_column": path_column}
    reasons = [f"{path.name}: paths in column {path_column!r}, {found}"]
    rest = [name for name in table.columns if name != path_column]
    split = next((name for name in rest if _is_split(table.columns[name])), None)
    if split:
        chosen["split_column"] = split
        rest.remove(split)
    task, labels, reason = _labels(table, rest)
    data = _section(path.parent, {**chosen, **labels})
    reasons += [reason, *_counts(data, task)]
    groups = [name for name in rest if name.casefold() in GROUP_WORDS]
    return Proposal(task, data, reasons, [f"group_column: {name}  # keep its rows in one split" for name in groups[:1]])


def _section(folder: Path, chosen: dict[str, Any]) -> dict[str, Any]:
    """Without what is the default anyway, except for what a reader wants to see."""
    shown = ("file", "images", "path_column", "label_column", "label_separator")
    kept = {key: value for key, value in chosen.items() if key in shown or value != CsvData.model_fields[key].default}
    return {"kind": "csv", "root": str(folder), **kept}


def _counts(data: dict[str, Any], task: str) -> list[str]:
    section = CsvData.model_validate(data)
    try:
        return describe(read_csv(section, Path(data["root"]).absolute(), task == "multilabel"))
    except DataError as error:
        return [f"`deit-finetune check` will find faults: {line}" for line in str(error).splitlines()[:1]]


# ---------------------------------------------------------------- columns


def _is_image(cell: str) -> bool:
    return os.path.splitext(cell)[1].casefold() in EXTENSIONS


def _share(cells: Sequence[str], test: Any) -> float:
    return sum(map(bool, map(test, cells))) / max(1, len(cells))


def _path_column(table: Table) -> str:
    shares = {name: _share(cells, _is_image) for name, cells in table.columns.items()}
    best = max(shares, key=lambda name: shares[name])
    if shares[best] < 0.5:
        names = ", ".join(table.columns)
        raise DataError(f"{table.path}: no column holds names of image files such as 1.jpg; columns found: {names}")
    return best


def _images_folder(table: Table, column: str) -> tuple[str, str]:
    """The folder that the paths start from, as ``data.images``, and a word on how many files are there."""
    root, cells = table.path.parent, [cell.replace("\\", "/") for cell in table.columns[column][:200]]
    beside = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    counts = {name: sum((root / name / cell).is_file() for cell in cells) for name in dict.fromkeys([".", *beside])}
    best = max(counts, key=lambda name: counts[name])
    if not counts[best]:
        return "images" if "images" in beside else ".", "but none of the files was found: set data.images"
    missing = len(cells) - counts[best]
    return best, f"files in {best}/" + (f", but {missing} of the first {len(cells)} are missing" if missing else "")


def _is_split(cells: Iterable[str]) -> bool:
    words = {cell.casefold() for cell in cells}
    return bool(words) and words <= set(SPLIT_WORDS)


def _labels(table: Table, names: list[str]) -> tuple[str, dict[str, Any], str]:
    """Task, keys and reason: 0/1 columns where there are two, else a column of names."""
    zero_one = [name for name in names if set(table.columns[name]) <= ZERO_ONE and any(table.columns[name])]
    if len(zero_one) > 1:
        rows = list(zip(*(table.columns[name] for name in zero_one), strict=True))
        single = all("" not in row and sum(cell in ("1", "1.0") for cell in row) == 1 for row in rows)
        task = "multiclass" if single else "multilabel"
        why = "each row has exactly one 1" if single else "rows have any number of 1s"
        return task, {"label_columns": zero_one}, f"{len(zero_one)} columns of 0 and 1, one per class; {why}: {task}"
    column = _label_column(table, names)
    separator = _separator(column, table.columns[column])
    if separator is None:
        return "multiclass", {"label_column": column}, f"one label in column {column!r}: multiclass"
    keys = {"label_column": column, "label_separator": separator}
    return "multilabel", keys, f"several labels in column {column!r}, between them {separator!r}: multilabel"


def _label_column(table: Table, names: list[str]) -> str:
    named = [name for word in LABEL_WORDS for name in names if name.casefold() == word]
    partly = [name for name in names if set(re.split(r"[^a-z]+", name.casefold())) & set(LABEL_WORDS)]
    repeating = [name for name in names if 1 <= len(set(table.columns[name])) <= len(table.columns[name]) / 2]
    for candidates in (named, partly, repeating, names if len(names) == 1 else []):
        if candidates:
            return candidates[0]
    raise DataError(
        f"{table.path}: no column looks like labels (named label or class, or repeating few values); columns found: "
        f"{', '.join(table.columns)}"
    )


def _separator(column: str, cells: Sequence[str]) -> str | None:
    """What stands between several labels of a cell; None where a cell is one label.

    ``milk bottle`` is one label, ``can carton`` two: parts that make fewer words than there are different cells are
    labels that combine. A column called labels needs no such proof.
    """
    different = set(filter(None, cells))
    for separator in SEPARATORS:
        parts = {part.strip() for cell in different for part in cell.split(separator) if part.strip()}
        several = any(separator in cell.strip() for cell in different)
        plural = column.casefold().endswith("s") and not column.casefold().endswith(("ss", "species"))
        if several and (len(parts) < len(different) or (plural and len(parts) <= len(different))):
            return separator
    return None
