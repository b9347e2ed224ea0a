"""What ``/openapi.json`` says of a request and of its refusals, beside what FastAPI reads off the endpoints."""

from __future__ import annotations

from typing import Any

SHAPES = (
    "labels: [[{label, score}, ...], ...], best first. records: [{'0': {label, score}, ...}, ...]. "
    "probs: [{probs, labels}, ...], in the model's order."
)
_TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
_ROWS = {
    "type": "array",
    "minItems": 1,
    "items": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
}
_TABLE = {
    "type": "object",
    "required": ["data"],
    "properties": {"columns": _TEXTS, "index": {"type": "array"}, "data": _ROWS},
}
REQUEST = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["input_data"],
                    "properties": {"input_data": {"anyOf": [_ROWS, _TABLE]}},
                },
                "example": {"input_data": ["<base64 of an image file>"]},
            }
        },
    }
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    401: {"description": "An API key is asked for"},
    408: {"description": "The body came too slowly"},
    413: {"description": "A body too large, or too many images"},
    422: {"description": "Not one of the two forms, or no image that can be scored"},
    429: {"description": "The queue is full"},
    503: {"description": "The model failed"},
    504: {"description": "Not done in time"},
}
