"""Azure's requests and responses.

A request is ``{"input_data": ["<image>", …]}`` or ``{"input_data": {"columns": ["image"], "index": [0], "data":
["<image>"]}}``, where each image of ``data`` may be a row ``["<image>"]``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from finetune.predict import Prediction
from finetune.serve.refused import RefusedError

Shape = Literal["labels", "records", "probs"]
EXPECTED = (
    '{"input_data": ["<base64 or URL>", ...]} or {"input_data": {"columns": ["image"], "data": ["<base64>", ...]}}'
)


def parse_request(body: bytes) -> list[str]:
    """The images of a request, as they were written.

    Raises:
        RefusedError: 422, it is not one of Azure's two forms, or it has no image.

    >>> parse_request(b'{"input_data": {"columns": ["image"], "index": [0, 1], "data": [["a"], "b"]}}')
    ['a', 'b']
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        what = "it is nested too deeply" if isinstance(error, RecursionError) else f"{error}"[:200]
        raise RefusedError(422, f"the body is no JSON ({what}); expected {EXPECTED}") from None
    if not isinstance(content, dict) or "input_data" not in content:
        raise RefusedError(422, f"the body has no input_data; expected {EXPECTED}")
    # Azure's own tools send an empty params along
    extra = [key for key in content if key != "input_data" and not (key == "params" and content[key] in (None, {}))]
    if extra:
        raise RefusedError(422, f"unknown key {_shown(extra[0])} beside input_data; expected {EXPECTED}")
    rows = _rows(content["input_data"])
    if not rows:
        raise RefusedError(422, f"input_data has no image; expected {EXPECTED}")
    return [_image(index, row) for index, row in enumerate(rows)]


def _rows(data: Any) -> list[Any]:
    """What stands for each image: a string, or a list of one."""
    if isinstance(data, list):
        return data
    if not isinstance(data, dict) or not isinstance(data.get("data"), list):
        raise RefusedError(422, f"input_data is {_kind(data)} without a list of data; expected {EXPECTED}")
    rows, columns, index = data["data"], data.get("columns", ["image"]), data.get("index")
    if not isinstance(columns, list) or columns.count("image") != 1:
        raise RefusedError(422, f"input_data.columns is {_shown(columns)}; expected one column image")
    if index is not None and (not isinstance(index, list) or len(index) != len(rows)):
        raise RefusedError(422, f"input_data.index does not have one entry for each of the {len(rows)} rows of data")
    place = columns.index("image")
    for number, row in enumerate(rows):
        if isinstance(row, list) and len(row) != len(columns):
            raise RefusedError(422, f"image {number}: {len(row)} values for {len(columns)} columns", number)
        if not isinstance(row, list) and len(columns) > 1:
            raise RefusedError(422, f"image {number}: one value for {len(columns)} columns", number)
    return [row[place] if isinstance(row, list) else row for row in rows]


def _image(index: int, row: Any) -> str:
    value = row[0] if isinstance(row, list) and len(row) == 1 else row
    if not isinstance(value, str):
        raise RefusedError(422, f"image {index}: found {_kind(value)}, expected a string of base64 or a URL", index)
    return value


def _kind(value: Any) -> str:
    """What JSON calls it."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def _shown(value: Any) -> str:
    return repr(value)[:80]


def shaped(said: Prediction, shape: Shape, names: Sequence[str]) -> Any:
    """What is said of one image, in one of the three shapes that Azure's samples parse.

    Args:
        shape: ``labels``: best first. ``records``: the same by rank, ``{"0": {"label", "score"}, …}``. ``probs``:
            ``{"probs", "labels"}`` in the order of the model's classes.
        names: The model's classes, in order.

    >>> said = Prediction(None, ["can"], {"can": 0.75, "carton": 0.25})
    >>> shaped(said, "labels", ["carton", "can"])
    [{'label': 'can', 'score': 0.75}, {'label': 'carton', 'score': 0.25}]
    >>> shaped(said, "probs", ["carton", "can"])
    {'probs': [0.25, 0.75], 'labels': ['carton', 'can']}
    """
    if shape == "records":
        return {str(rank): entry for rank, entry in enumerate(said.ranked())}
    if shape == "probs":
        scores = {entry["label"]: entry["score"] for entry in said.ranked()}
        return {"probs": [scores[name] for name in names], "labels": list(names)}
    return said.ranked()
