"""What goes back: scores, an error at an image's place, or a refusal with its reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from finetune.serve.images import BadImageError
from finetune.serve.refused import RefusedError

T = TypeVar("T")


class PlainJSON(JSONResponse):
    """JSON of ASCII only: text that a client sent, such as half of a surrogate pair, cannot break it."""

    def render(self, content: Any) -> bytes:
        """The bytes of a body."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


async def answer(outcomes: Sequence[T | BadImageError], shape: Callable[[T], Any]) -> Response:
    """A list with an entry for each image.

    Raises:
        RefusedError: 422, no image is good.
    """

    def entry(outcome: T | BadImageError) -> Any:
        return {"error": str(outcome)} if isinstance(outcome, BadImageError) else shape(outcome)

    if all(isinstance(outcome, BadImageError) for outcome in outcomes):
        which = f"none of the {len(outcomes)} images can be scored; image 0" if len(outcomes) > 1 else "image 0"
        raise RefusedError(422, f"{which}: {outcomes[0]}", 0, images=[{"error": str(outcome)} for outcome in outcomes])
    return await asyncio.to_thread(lambda: PlainJSON([entry(outcome) for outcome in outcomes]))


def answer_errors(app: FastAPI) -> None:
    """Every refusal as JSON with a reason."""

    @app.exception_handler(RefusedError)
    async def refused(_: Request, refusal: RefusedError) -> Response:
        return PlainJSON(refusal.content, refusal.status, dict(refusal.headers))

    @app.exception_handler(HTTPException)
    async def unknown(_: Request, error: HTTPException) -> Response:
        headers = {"Connection": "close", **(error.headers or {})}  # a body that came along is not read
        return PlainJSON({"error": f"{error.detail}; see /openapi.json"}, error.status_code, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return PlainJSON({"error": f"{'.'.join(map(str, first['loc']))}: {first['msg']}"}, 422)
