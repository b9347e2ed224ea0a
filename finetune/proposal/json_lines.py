"""Azure's JSON lines and MLTable folders: which keys hold the path and the labels, and how many labels there are."""

from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path
from typing import Any

from finetune.data.folder import EXTENSIONS
from finetune.data.jsonl import read_jsonl
from finetune.data.mltable import json_line_files
from finetune.errors import DataError
from finetune.proposal.proposal import Proposal, describe
from finetune.recipe import JsonlData

LINES = 1000


def propose_json_lines(root: Path, file: str | dict[str, str]) -> Proposal:
    """A proposal for JSON lines or MLTables.

    Args:
        root: The folder.
        file: What ``data.file`` will say.
    Raises:
        DataError: no key holds an image or a label.
    """
    first = file if isinstance(file, str) else next(iter(file.values()))
    annotations = json_line_files(root / first)[0]
    rows = _first_rows(annotations)
    path_key = _key(rows, "image_url", _is_image, annotations, "the name of an image")
    rest = [{key: value for key, value in row.items() if key != path_key} for row in rows]
    label_key = _key(rest, "label", _is_label, annotations, "a label, or a list of labels")
    several = any(isinstance(row.get(label_key), list) for row in rows)
    task = "multilabel" if several else "multiclass"
    data: dict[str, Any] = {"kind": "jsonl", "root": str(root), "file": file}
    data |= {} if path_key == "image_url" else {"path_column": path_key}
    data |= {} if label_key == "label" else {"label_column": label_key}
    what = "a list of labels" if several else "one label"
    reasons = [f"{annotations.name}: an image in {path_key!r}, {what} in {label_key!r}: {task}"]
    return Proposal(task, data, reasons + _counts(data))


def _counts(data: dict[str, Any]) -> list[str]:
    try:
        return describe(read_jsonl(JsonlData.model_validate(data), Path(data["root"]).absolute()))
    except DataError as error:
        return [f"`deit-finetune check` will find faults: {line}" for line in str(error).splitlines()[:1]]


def _first_rows(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            values = [json.loads(line) for line in islice(filter(str.strip, file), LINES)]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON lines ({error})") from error
    rows = [value for value in values if isinstance(value, dict)]
    if not rows:
        raise DataError(f'{path}: expected lines like {{"image_url": "1.jpg", "label": "can"}}')
    return rows


def _key(rows: list[dict[str, Any]], usual: str, fits: Any, path: Path, what: str) -> str:
    for key in dict.fromkeys([usual, *rows[0]]):
        if any(fits(row.get(key)) for row in rows[:50]):
            return str(key)
    raise DataError(f"{path}: no key holds {what}; keys found: {', '.join(map(str, rows[0]))}")


def _is_image(value: object) -> bool:
    return isinstance(value, str) and os.path.splitext(value)[1].casefold() in EXTENSIONS


def _is_label(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value))
