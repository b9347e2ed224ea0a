"""The parts of a prediction as one file: Parquet, CSV or JSON lines. It gets its name when it is whole."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from finetune.batch.columns import Columns
from finetune.errors import DataError
from finetune.run_folder.json_files import write_json_lines

Lines = list[dict[str, Any]]


def merge(out: Path, columns: Columns, parts: Iterable[Lines]) -> int:
    """Write all lines of all parts, a part in memory at a time.

    Returns:
        How many have an error.
    Raises:
        DataError: the file cannot be written.
    """
    errors = 0

    def counted() -> Iterator[Lines]:
        nonlocal errors
        for lines in parts:
            errors += sum(line["error"] is not None for line in lines)
            yield lines

    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        WRITERS[out.suffix.casefold()](temporary, columns, counted())
        temporary.replace(out)
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)
    return errors


def _write_parquet(file: Path, columns: Columns, parts: Iterable[Lines]) -> None:
    """A row group for each part."""
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    schema = columns.schema()
    with pq.ParquetWriter(file, schema) as writer:
        for lines in parts:
            writer.write_table(pa.Table.from_pylist(lines, schema=schema))


def _write_csv(file: Path, columns: Columns, parts: Iterable[Lines]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        names = columns.names()
        if not columns.azure:
            writer.writerow(names)
        for lines in parts:
            writer.writerows([_cell(line[name]) for name in names] for line in lines)


def _write_json_lines(file: Path, columns: Columns, parts: Iterable[Lines]) -> None:
    write_json_lines(file, (line for lines in parts for line in lines))


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value


WRITERS: dict[str, Callable[[Path, Columns, Iterable[Lines]], None]] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
    ".jsonl": _write_json_lines,
}
