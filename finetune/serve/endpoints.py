"""The server's endpoints; their names and first lines are what ``/openapi.json`` says of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request
from fastapi.responses import HTMLResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from finetune.recipe.sections import Serve
from finetune.serve.answers import PlainJSON, answer
from finetune.serve.bodies import read_body
from finetune.serve.description import description, has_attention, why_no_attention
from finetune.serve.messages import Shape, parse_request, shaped
from finetune.serve.metrics import Metrics
from finetune.serve.openapi import SHAPES
from finetune.serve.refused import RefusedError
from finetune.serve.room import Room
from finetune.serve.service import Service

T = TypeVar("T")
_PAGE = Path(__file__).parents[1] / "assets" / "serve.html"
_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_BODIES = 8
"""Bodies of the largest size that may be in hand at once."""


class Endpoints:
    """A method for each path.

    Args:
        service: Answers about images.
        options: The limits.
        metrics: Told how many images are in hand.
    """

    def __init__(self, service: Service, options: Serve, metrics: Metrics) -> None:
        self._service, self._options, self._metrics = service, options, metrics
        self._room = Room(options.max_queue, _BODIES * options.max_body)

    async def score(
        self, request: Request, response: Annotated[Shape, Query(description=SHAPES)] = "labels"
    ) -> Response:
        """Scores of every label, for each image. An image that cannot be scored has {"error": ...} at its place."""
        said = await self._carry_out(request, self._service.score)
        names = self._service.predictor.labels.names
        return await answer(said, lambda prediction: shaped(prediction, response, names))

    async def attention(self, request: Request) -> Response:
        """Where the model looked: for each image, by token, a JPEG as a data: URL."""
        if not has_attention(self._service.predictor):
            raise RefusedError(404, why_no_attention(self._service.predictor))
        return await answer(await self._carry_out(request, self._service.look), dict)

    async def health(self) -> dict[str, str]:
        """The process answers."""
        return {"status": "alive"}

    async def ready(self) -> Response:
        """The model is loaded and takes images."""
        alive = self._service.batches.alive
        return PlainJSON({"status": "ready" if alive else "not ready"}, 200 if alive else 503)

    async def model(self) -> dict[str, Any]:
        """What is served, and the limits."""
        return description(self._service, self._options)

    async def prometheus(self) -> Response:
        """Counters, as Prometheus reads them."""
        return Response(await asyncio.to_thread(self._metrics.text), media_type=CONTENT_TYPE_LATEST)

    async def page(self) -> HTMLResponse:
        """Where pictures are dropped."""
        headers = {"Content-Security-Policy": _PAGE_POLICY, "X-Content-Type-Options": "nosniff"}
        return HTMLResponse(_PAGE.read_text(encoding="utf-8"), headers=headers)

    async def _carry_out(self, request: Request, ask: Callable[[Sequence[str], float], Awaitable[list[T]]]) -> list[T]:
        """Read a request's images within the limits, and ask about them."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._options.timeout_s
        with self._room.share() as share:
            texts = await asyncio.to_thread(parse_request, await read_body(request, self._options, share))
            request.state.images = len(texts)
            if len(texts) > (most := self._options.max_images):
                raise RefusedError(413, f"image {most}: {len(texts)} images in a request; the limit is {most}", most)
            share.take_images(len(texts))
            self._metrics.queued(self._room.images)
            try:
                return await ask(texts, deadline - loop.time())
            finally:
                self._metrics.queued(self._room.images - len(texts))
