"""Azure's JSON lines, ``{"image_url": …, "label": "can" | ["can", "carton"]}``, and the MLTable folder around them.

Paths are local: relative to the file they stand in, absolute, or ``file:`` URLs. A label is text; anything else in
its place (a number, null) is a fault and not made into text, because ``1`` and ``1.0`` would become two classes.
"""

from __future__ import annotations

import json
import os
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.data.mltable import json_line_files
from finetune.data.row_faults import RowFaults
from finetune.data.rows import LabelSets, Rows, SplitName, files_by_split, stable_name
from finetune.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from finetune.recipe.sections import JsonlData


def read_jsonl(data: JsonlData, root: Path) -> Rows:
    """The rows of one file, or of one per split; each is a .jsonl file, an MLTable, or a folder with an MLTable.

    Raises:
        DataError: a file is missing, or lines are faulty; every kind of fault is listed.
    """
    given = files_by_split(data.file)
    rows = Rows(
        source_of=[],
        lines=[],
        splits=None if None in given else [],
        groups=[] if data.group_column else None,
    )
    faults = RowFaults()
    shared = LabelSets()
    for split, name in given.items():
        for file in json_line_files(root / name):
            _add_file(rows, _Line(data, root, file, faults, shared), split)
    faults.raise_any()
    if not len(rows):
        raise DataError(f"{', '.join(rows.sources)}: there are no lines")
    return rows


def _add_file(rows: Rows, line: _Line, split: SplitName | None) -> None:
    assert rows.source_of is not None
    assert rows.lines is not None
    source = len(rows.sources)
    rows.sources.append(line.name)
    for number, text in _lines(line.file, line.name):
        values = line.parse(number, text)
        path = line.path(number, values) if values else None
        if values is None or path is None:
            continue
        rows.paths.append(path)
        rows.names.append(line.stable_name(path))
        rows.labels.append(line.labels(number, values))
        rows.source_of.append(source)
        rows.lines.append(number)
        if rows.splits is not None:
            rows.splits.append(split)
        if rows.groups is not None:
            rows.groups.append(line.group(number, values))


class _Line:
    """Reads what a line of one file says; what is wrong with it goes to the faults."""

    def __init__(self, data: JsonlData, root: Path, file: Path, faults: RowFaults, shared: LabelSets) -> None:
        self.data, self.root, self.file = data, root, file
        self.name = stable_name(os.path.relpath(file, root))
        self._faults, self._shared = faults, shared

    def parse(self, number: int, text: str) -> dict[str, Any] | None:
        """The line's object."""
        try:
            value = json.loads(text)
        except ValueError as error:
            self._fault("json", number, f"is not JSON ({error})")
            return None
        if isinstance(value, dict):
            return value
        self._fault("object", number, f"is {_kind(value)}; expected an object like {self._example()}")
        return None

    def path(self, number: int, values: Mapping[str, Any]) -> str | None:
        """The image's absolute path."""
        url = self._value(number, values, "path_column", self.data.path_column)
        if url is _MISSING:
            return None
        if not isinstance(url, str) or not url:
            self._fault("path", number, f"{self.data.path_column!r} is {_kind(url)}; expected a path")
            return None
        scheme = urllib.parse.urlsplit(url).scheme
        if len(scheme) > 1 and "://" in url and scheme != "file":
            cure = "download the images and name them by paths relative to this file"
            self._fault("scheme", number, f"{url!r} is not on this machine; {cure}")
            return None
        if scheme == "file":
            url = urllib.request.url2pathname(urllib.parse.urlsplit(url).path)
        return os.path.normpath(self.file.parent / url)

    def labels(self, number: int, values: Mapping[str, Any]) -> tuple[str, ...]:
        """The labels, one or a list."""
        found = self._value(number, values, "label_column", self.data.label_column)
        several = found if isinstance(found, list) else [found]
        for label in several:
            if not isinstance(label, str) and label is not _MISSING:
                wrong = f"the label {json.dumps(label)} is {_kind(label)}; expected text"
                self._fault("label", number, wrong + (f': "{label}"' if isinstance(label, (int, float)) else ""))
            elif label is not _MISSING and not str(label).strip():
                self._fault("empty", number, "the label is empty text; expected a class")
        return self._shared(label.strip() for label in several if isinstance(label, str) and label.strip())

    def group(self, number: int, values: Mapping[str, Any]) -> str:
        """What says which lines stay together."""
        value = self._value(number, values, "group_column", self.data.group_column or "")
        return "" if value is _MISSING or value is None else str(value)

    def stable_name(self, path: str) -> str:
        """What the image is called on every machine."""
        return stable_name(path.removeprefix(f"{self.root}{os.sep}"))

    def _value(self, number: int, values: Mapping[str, Any], key: str, name: str) -> Any:
        if name in values:
            return values[name]
        found = ", ".join(map(str, values)) or "none"
        self._fault(key, number, f"there is no {name!r} (data.{key}){did_you_mean(name, values)}; keys found: {found}")
        return _MISSING

    def _fault(self, kind: str, number: int, what: str) -> None:
        self._faults.add(kind, f"{self.name} line {number}: {what}")

    def _example(self) -> str:
        return json.dumps({self.data.path_column: "images/1.jpg", self.data.label_column: "can"})


_MISSING = object()


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return "empty text" if value == "" else kinds.get(type(value), type(value).__name__)


def _lines(file: Path, name: str) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank; a byte order mark and Windows line ends do not count."""
    try:
        with file.open(encoding="utf-8-sig") as lines:
            yield from ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: is not UTF-8; save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"data.file: {file} cannot be read ({error.strerror})") from error
