"""Tables of images, a row each: paths, or the images themselves.

* ``.csv`` and ``.tsv`` with a header, UTF-8; commas, semicolons or tabs. Azure's batch input is one with a column
  ``image`` of base64.
* ``.parquet``: a column of text, of bytes, or of ``{"bytes", "path"}`` as `datasets` writes images.
* ``.jsonl``: an object a line, such as ``{"image_url": "1.jpg"}`` or ``{"image": "<base64>"}``.

Text is a path, or a ``file:`` URL; it is base64 in a ``data:`` URL, and in a column ``image`` where it has no other
characters than base64 has (a file's name has a dot). A row that says nothing of use is a row with a fault; a table that
cannot be read is an error.
"""

from __future__ import annotations

import csv
import json
import os
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from finetune.batch.rows import Row
from finetune.errors import DataError, did_you_mean

SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
COLUMNS = ("image", "image_url", "path", "filename", "file_name", "image_path", "file")
"""Where an image is looked for, the first that there is."""
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+[=\s]*")
_ROWS_AT_ONCE = 16  # of a Parquet file: images may lie in it
_LARGEST_CELL = 2**31 - 1  # csv's own limit, 131,072 characters, is less than a photograph's base64


class Table:
    """One file.

    Args:
        path: Of the table.
        column: That holds the image; by default the first of `COLUMNS` that is there.
        paths_from: Folder that relative paths start from; by default the table's own.
    """

    def __init__(self, path: str, column: str | None = None, paths_from: str | None = None) -> None:
        self.path, self._wanted = path, column
        self._base = os.path.dirname(path) if paths_from is None else os.path.expanduser(paths_from)

    def rows(self) -> Iterator[Row]:
        """The rows, one at a time.

        Raises:
            DataError: the file cannot be read, or has no such column.
        """
        kind = os.path.splitext(self.path)[1].casefold()
        read = {".parquet": self._parquet, ".jsonl": self._json_lines, ".ndjson": self._json_lines}.get(kind, self._csv)
        try:
            yield from read()
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path}: is not UTF-8; save it as UTF-8") from error
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror or error})") from error

    # ------------------------------------------------------------ the kinds

    def _csv(self) -> Iterator[Row]:
        csv.field_size_limit(_LARGEST_CELL)
        with open(self.path, encoding="utf-8-sig", newline="") as file:
            delimiter = _delimiter(file.readline(), self.path)
            file.seek(0)
            lines = csv.reader(file, delimiter=delimiter, strict=True)
            try:
                header = [cell.strip() for cell in next(lines, [])]
                column = self._column(header)
                place = header.index(column)
                for number, cells in enumerate(cells for cells in lines if cells):
                    if len(header) == 1:  # a data: URL has a comma, which nobody quotes where there is one column
                        cells = [delimiter.join(cells)]
                    if len(cells) == len(header):
                        yield self._row(number, cells[place], column)
                    else:
                        yield self._faulty(number, f"has {len(cells)} cells, but the header has {len(header)}")
            except csv.Error as error:
                where = f"{self.path} line {lines.line_num}"
                raise DataError(f"{where}: {error}; is a quote not closed?") from error

    def _json_lines(self) -> Iterator[Row]:
        with open(self.path, encoding="utf-8-sig") as file:
            for number, line in enumerate(line for line in file if line.strip()):
                try:
                    values = json.loads(line)
                except ValueError as error:
                    yield self._faulty(number, f"is not JSON ({error})")
                    continue
                known = [self._wanted] if self._wanted else COLUMNS
                key = next((key for key in known if isinstance(values, dict) and key in values), None)
                if key is None:
                    yield self._faulty(number, f'has no {" or ".join(known)}; expected {{"image_url": "1.jpg"}}')
                else:
                    yield self._row(number, values[key], key)

    def _parquet(self) -> Iterator[Row]:
        import pyarrow as pa  # type: ignore[import-untyped]
        import pyarrow.parquet as pq  # type: ignore[import-untyped]

        try:
            with pq.ParquetFile(self.path) as file:
                column = self._column(file.schema_arrow.names)
                number = 0
                for batch in file.iter_batches(_ROWS_AT_ONCE, columns=[column]):
                    for value in batch.column(0).to_pylist():
                        yield self._row(number, value, column)
                        number += 1
        except pa.ArrowException as error:
            raise DataError(f"{self.path}: cannot be read as Parquet ({error})") from error

    # ------------------------------------------------------------ a row

    def _column(self, header: Sequence[str]) -> str:
        known = [self._wanted] if self._wanted else COLUMNS
        for name in known:
            if name in header:
                return name
        found = ", ".join(header[:20]) or "none"
        hint = did_you_mean(self._wanted, header) if self._wanted else "; name the one that holds the image: --column"
        raise DataError(f"{self.path}: there is no column {' or '.join(known)}{hint}; columns found: {found}")

    def _row(self, number: int, value: Any, column: str) -> Row:
        name, file = f"{self.path}#{number + 1}", os.path.basename(self.path)
        if isinstance(value, Mapping):
            value = value.get("bytes") or value.get("path")
        if isinstance(value, bytes):
            return Row(name, value, file=file, number=number)
        if not isinstance(value, str) or not value.strip():
            what = "empty" if value is None or isinstance(value, str) else f"{json.dumps(value)}, which is no text"
            return self._faulty(number, f"{column} is {what}")
        text = value.strip()
        if text[:5].lower() == "data:" or (column == "image" and _BASE64.fullmatch(text)):
            return Row(name, text, file=file, number=number)
        scheme = urllib.parse.urlsplit(text).scheme if "://" in text else ""
        if scheme == "file":
            text = urllib.request.url2pathname(urllib.parse.urlsplit(text).path)
        elif scheme:
            return self._faulty(number, f"{text!r} is not on this machine; download it and name its path")
        path = os.path.normpath(os.path.join(self._base, text))
        return Row(path, file=os.path.basename(path))

    def _faulty(self, number: int, fault: str) -> Row:
        return Row(f"{self.path}#{number + 1}", fault=fault, file=os.path.basename(self.path), number=number)


def _delimiter(header: str, path: str) -> str:
    if path.casefold().endswith(".tsv"):
        return "\t"
    return max(",;\t", key=header.count)
