"""The MLTable file that Azure puts beside its JSON lines: YAML that says which files to read.

paths:
  - file: ./train_annotations.jsonl
transformations:
  - read_json_lines: {encoding: utf8, invalid_lines: error, include_path_column: false}
  - convert_column_types: [{columns: image_url, column_type: stream_info}]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finetune.errors import DataError, did_you_mean

_KNOWN = ("read_json_lines", "convert_column_types")


def json_line_files(path: Path) -> list[Path]:
    """The .jsonl files behind a .jsonl file, an MLTable, or a folder that holds an MLTable.

    Raises:
        DataError: there is no such file, or the MLTable says something that cannot be honoured.
    """
    if path.is_dir():
        path = path / "MLTable"
    if not path.is_file():
        raise DataError(_missing(path))
    if path.name != "MLTable" and path.suffix.casefold() not in (".yaml", ".yml", ".mltable"):
        return [path]
    table = _read_yaml(path)
    _refuse_other_transformations(path, table)
    files = [_file(path, entry) for entry in table.get("paths") or ()]
    if not files:
        raise DataError(f"{path}: there are no paths; expected paths: [{{file: ./annotations.jsonl}}]")
    return files


def _read_yaml(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        table = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8-sig"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(table, dict):
        raise DataError(f"{path}: is no MLTable; expected paths: [{{file: ./annotations.jsonl}}]")
    return table


def _refuse_other_transformations(path: Path, table: dict[str, Any]) -> None:
    """Another transformation would change which rows there are, so it is not passed over."""
    steps = [
        step for entry in table.get("transformations") or () for step in (entry if isinstance(entry, dict) else [entry])
    ]
    unknown = next((step for step in steps if step not in _KNOWN), None)
    if unknown is not None:
        raise DataError(f"{path}: the transformation {unknown!r} is not supported; supported: {', '.join(_KNOWN)}")
    if "read_json_lines" not in steps:
        raise DataError(
            f"{path}: there is no read_json_lines among the transformations; other tables are not supported"
        )


def _file(path: Path, entry: Any) -> Path:
    name = entry.get("file") if isinstance(entry, dict) else None
    if not isinstance(name, str) or "://" in name:
        raise DataError(f"{path}: paths holds {entry!r}; expected {{file: ./annotations.jsonl}} with a local file")
    file = path.parent / name
    if not file.is_file():
        raise DataError(f"{path}: names {name}, but there is no file {file}{_hint(file)}")
    return file


def _missing(path: Path) -> str:
    lines = sorted(path.parent.glob("*.jsonl")) if path.parent.is_dir() else []
    found = f"; found there: {', '.join(file.name for file in lines[:5])} (set data.file)" if lines else _hint(path)
    return f"data.file: there is no file {path}{found}"


def _hint(file: Path) -> str:
    beside = [entry.name for entry in file.parent.iterdir() if entry.is_file()] if file.parent.is_dir() else []
    return did_you_mean(file.name, beside)
