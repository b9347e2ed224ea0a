"""JSON and JSON lines on disk: strict, in the order given, and whole or not at all.

A number that is not finite is written as null: ``NaN`` is not JSON, and other readers stop at it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from finetune.errors import RunFolderError


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, whole or not at all."""
    with _written_whole(path) as file:
        file.write(text)


def write_json(path: Path, value: Any) -> None:
    """Write one JSON value, indented, whole or not at all."""
    write_text(path, _encoded(value, indent=2) + "\n")


def write_json_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write one line each as they come; the file appears when all have."""
    with _written_whole(path) as file:
        file.writelines(_line(line) for line in lines)


def append_json_line(path: Path, line: Mapping[str, Any]) -> None:
    """Add one line; when this returns, it is on the disk."""
    with path.open("a", encoding="utf-8") as file:
        file.write(_line(line))
        file.flush()
        os.fsync(file.fileno())


def read_json(path: Path) -> Any:
    """The JSON value in a file.

    Raises:
        RunFolderError: it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunFolderError(f"{path}: is not JSON ({error}); restore the file or start the run again") from error


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Line by line; a last line without its end was cut short by a crash and is left out.

    Raises:
        RunFolderError: another line is not JSON.
    """
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith("\n"):
                return
            try:
                yield json.loads(line)
            except ValueError as error:
                raise RunFolderError(f"{path} line {number}: is not JSON ({error})") from error


def plain(value: Any) -> Any:
    """The same value of Python's own types, with null for numbers that are not finite.

    >>> plain({"loss": float("nan"), "seen": (1, 2.5)})
    {'loss': None, 'seen': [1, 2.5]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy's arrays and numbers, and torch's, without importing either
        return plain(value.tolist())
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _line(line: Mapping[str, Any]) -> str:
    return _encoded(line) + "\n"


def _encoded(value: Any, indent: int | None = None) -> str:
    """JSON that can be written as UTF-8: readable letters, escapes only where a file name is not valid Unicode."""
    value = plain(value)
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=indent, allow_nan=False)
    return text


@contextmanager
def _written_whole(path: Path) -> Iterator[IO[str]]:
    """A file to write that takes its name when the block is left without an error, and vanishes otherwise."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
