"""What ``/openapi.json`` says of requests and answers, beside what FastAPI reads off the endpoints."""

from __future__ import annotations

from typing import Any

SHAPES = (
    "labels: [[{label, score}, ...], ...], best first. records: [{'0': {label, score}, ...}, ...]. "
    "probs: [{probs, labels}, ...], in the model's order."
)


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }


def _list(items: Any, **limits: int) -> dict[str, Any]:
    return {"type": "array", "items": items, **limits}


def _json(description: str, schema: Any, **headers: str) -> dict[str, Any]:
    told = {"headers": {name: {"description": said, "schema": _TEXT} for name, said in headers.items()}}
    return {
        "description": description,
        "content": {"application/json": {"schema": schema}},
        **(told if headers else {}),
    }


# ------------------------------------------------------------ requests

_TEXT = {"type": "string"}
_ROWS = _list({"anyOf": [_TEXT, _list(_TEXT, minItems=1, maxItems=1)]}, minItems=1)
_TABLE = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "columns": {**_list(_TEXT), "contains": {"const": "image"}, "maxContains": 1},
        "index": {"type": ["array", "null"]},
        "data": _list({"anyOf": [_TEXT, {"type": "array", "minItems": 1}]}, minItems=1),
    },
}
_BODY = {
    "type": "object",
    "required": ["input_data"],
    "properties": {
        "input_data": {"anyOf": [_ROWS, _TABLE]},
        "params": {"type": ["object", "null"], "maxProperties": 0},
    },
    "additionalProperties": False,
}
REQUEST = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _BODY, "example": {"input_data": ["<base64 of an image file>"]}},
        },
    }
}

# ------------------------------------------------------------ answers

_FAULT = _object(error=_TEXT)
_REFUSAL = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": _TEXT, "image": {"type": "integer", "minimum": 0}, "images": _list(_FAULT)},
    "additionalProperties": False,
}
_PROBABILITY = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_SCORE = _object(label=_TEXT, score=_PROBABILITY)
_RANKED = _list(_SCORE, minItems=1)
_RECORDS = {"type": "object", "minProperties": 1, "additionalProperties": _SCORE}
_PROBS = _object(probs=_list(_PROBABILITY, minItems=1), labels=_list(_TEXT, minItems=1))
_OVERLAYS = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "string", "pattern": "^data:image/jpeg;base64,"},
}
Responses = dict[int | str, dict[str, Any]]
GUARDED: Responses = {401: _json("An API key is asked for", _REFUSAL, **{"WWW-Authenticate": "Bearer"})}
_OF_IMAGES: Responses = {
    **GUARDED,
    408: _json("The body came too slowly", _REFUSAL),
    413: _json("A body too large, or too many images", _REFUSAL),
    422: _json("Not one of the two forms, or no image that can be scored", _REFUSAL),
    429: _json("The queue is full", _REFUSAL, **{"Retry-After": "Seconds to wait"}),
    503: _json("The model failed", _REFUSAL),
    504: _json("Not done in time", _REFUSAL),
}
SCORES: Responses = {
    200: _json("An entry for each image", _list({"anyOf": [_RANKED, _RECORDS, _PROBS, _FAULT]}, minItems=1)),
    **_OF_IMAGES,
}
LOOKS: Responses = {
    200: _json("An entry for each image", _list({"anyOf": [_OVERLAYS, _FAULT]}, minItems=1)),
    404: _json("A model that has no attention to show", _REFUSAL),
    **_OF_IMAGES,
}
READY: Responses = {
    200: _json("The model answers", _object(status={"const": "ready"})),
    503: _json("The model does not answer", _object(status={"const": "not ready"})),
}
