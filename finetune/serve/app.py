"""The server's endpoints, as a FastAPI application.

``/docs`` is FastAPI's own page and loads its script from a CDN; ``/openapi.json``, which it shows, needs no network,
nor does the page at ``/``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from finetune.predict import Ensemble, Predictor, looks
from finetune.recipe.sections import Serve
from finetune.serve.access import Access
from finetune.serve.images import BadImageError
from finetune.serve.keys import is_allowed
from finetune.serve.messages import Shape, parse_request, shaped
from finetune.serve.metrics import Metrics
from finetune.serve.refused import RefusedError
from finetune.serve.room import Room, Share
from finetune.serve.service import Service

T = TypeVar("T")
_PAGE = Path(__file__).parents[1] / "assets" / "serve.html"
_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_BODIES = 8
"""Bodies of the largest size that may be in hand at once."""
_READ_ON = 4
"""A body of up to so many times the limit is read to its end and thrown away, so that its sender hears why."""
_PATHS = frozenset({"/", "/score", "/attention", "/health", "/ready", "/model", "/metrics", "/docs", "/openapi.json"})


class PlainJSON(JSONResponse):
    """JSON of ASCII only: text that a client sent, such as half of a surrogate pair, cannot break it."""

    def render(self, content: Any) -> bytes:
        """The bytes of a body."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def make_app(predictor: Predictor, options: Serve, key: bytes | None = None) -> FastAPI:
    """An application that serves a model; its threads live from startup to shutdown.

    Args:
        key: What requests to the model must bring, None for nothing.
    """
    metrics = Metrics()
    room = Room(options.max_queue, _BODIES * options.max_body)
    service = Service(predictor, options, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    app = FastAPI(
        title="deit-finetune",
        version=version("deit-finetune"),
        lifespan=lifespan,
        default_response_class=PlainJSON,
        redoc_url=None,
    )
    app.add_middleware(Access, metrics=metrics, paths=_PATHS)
    _answer_errors(app)

    async def allowed(request: Request) -> None:
        if not is_allowed(request.headers.get("authorization"), key):
            raise RefusedError(401, "no valid API key; send it as Authorization: Bearer KEY")

    guarded = [Depends(allowed)]

    async def carry_out(request: Request, ask: Callable[[Sequence[str], float], Awaitable[list[T]]]) -> list[T]:
        """Read a request's images within the limits, and ask about them."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + options.timeout_s
        with room.share() as share:
            body = await _read_body(request, options, share)
            texts = await asyncio.to_thread(parse_request, body)
            del body
            request.state.images = len(texts)
            if len(texts) > (most := options.max_images):
                raise RefusedError(413, f"image {most}: {len(texts)} images in a request; the limit is {most}", most)
            share.take_images(len(texts))
            metrics.queued(room.images)
            try:
                return await ask(texts, deadline - loop.time())
            finally:
                metrics.queued(room.images - len(texts))

    @app.post("/score", dependencies=guarded, openapi_extra=_REQUEST, responses=_RESPONSES)
    async def score(request: Request, response: Annotated[Shape, Query(description=_SHAPES)] = "labels") -> Response:
        """Scores of every label, for each image. An image that cannot be scored has {"error": ...} at its place."""
        said = await carry_out(request, service.score)
        names = predictor.labels.names
        return await _answer(said, lambda prediction: shaped(prediction, response, names))

    @app.post("/attention", dependencies=guarded, openapi_extra=_REQUEST, responses=_RESPONSES)
    async def attention(request: Request) -> Response:
        """Where the model looked: for each image, by token, a JPEG as a data: URL."""
        if not _has_attention(predictor):
            raise RefusedError(404, _no_attention(predictor))
        return await _answer(await carry_out(request, service.look), dict)

    @app.get("/health")
    async def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "alive"}

    @app.get("/ready", responses={503: {"description": "The model does not answer"}})
    async def ready() -> Response:
        """The model is loaded and takes images."""
        alive = service.batches.alive
        return PlainJSON({"status": "ready" if alive else "not ready"}, 200 if alive else 503)

    @app.get("/model", dependencies=guarded)
    async def model() -> dict[str, Any]:
        """What is served, and the limits."""
        return _description(predictor, service, options)

    @app.get("/metrics", dependencies=guarded, response_class=PlainTextResponse)
    async def prometheus() -> Response:
        """Counters, as Prometheus reads them."""
        return Response(await asyncio.to_thread(metrics.text), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        headers = {"Content-Security-Policy": _PAGE_POLICY, "X-Content-Type-Options": "nosniff"}
        return HTMLResponse(_PAGE.read_text(encoding="utf-8"), headers=headers)

    return app


def _answer_errors(app: FastAPI) -> None:
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


async def _read_body(request: Request, options: Serve, share: Share) -> bytes:
    """All of a body that is small enough and comes soon enough.

    Raises:
        RefusedError: 413, 408, or 429 where many bodies are in hand already.
    """
    large = RefusedError(
        413, f"the body is larger than {options.max_body_mb:g} MiB; send fewer or smaller images at once"
    )
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > _READ_ON * options.max_body:
        raise large

    async def read() -> bytes:
        body, size = bytearray(), 0
        async for chunk in request.stream():
            size += len(chunk)
            if size <= options.max_body:
                share.take_bytes(len(chunk))
                body += chunk
            else:
                body.clear()
                if size > _READ_ON * options.max_body:
                    break
        if size > options.max_body:
            raise large
        return bytes(body)

    try:
        return await asyncio.wait_for(read(), options.timeout_s)
    except (asyncio.TimeoutError, TimeoutError):
        raise RefusedError(408, f"the body did not arrive within {options.timeout_s:g} s") from None


async def _answer(outcomes: Sequence[T | BadImageError], shape: Callable[[T], Any]) -> Response:
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


def _has_attention(predictor: Predictor) -> bool:
    return predictor.inside is not None and looks(predictor.inside.model)


def _no_attention(predictor: Predictor) -> str:
    if predictor.inside is None:
        return "an ONNX graph has no attention to show; serve the run without --runtime onnx"
    return f"a model of type {predictor.model_type} has no attention to show"


def _description(predictor: Predictor, service: Service, options: Serve) -> dict[str, Any]:
    alone = predictor.members if isinstance(predictor, Ensemble) else [predictor]
    return {
        "run": Path(options.run).resolve().name,
        "runtime": options.runtime,
        "model_type": predictor.model_type,
        "models": len(alone),
        "task": predictor.task.name,
        "activation": "softmax" if predictor.task.name == "multiclass" else "sigmoid",
        "labels": list(predictor.labels.names),
        "calibrated": all(member.decision.temperature is not None for member in alone),
        "image_size_px": predictor.pixels.size_px,
        "attention": _has_attention(predictor),
        "device": str(predictor.device),
        "precision": options.precision,
        "batch_size": service.batches.batch_size,
        "limits": {
            "max_body_mb": options.max_body_mb,
            "max_images": options.max_images,
            "max_pixels": options.max_pixels,
            "max_queue": options.max_queue,
            "timeout_s": options.timeout_s,
            "allow_urls": options.allow_urls,
        },
    }


_SHAPES = (
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
_REQUEST = {
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
_RESPONSES: dict[int | str, dict[str, Any]] = {
    401: {"description": "An API key is asked for"},
    408: {"description": "The body came too slowly"},
    413: {"description": "A body too large, or too many images"},
    422: {"description": "Not one of the two forms, or no image that can be scored"},
    429: {"description": "The queue is full"},
    503: {"description": "The model failed"},
    504: {"description": "Not done in time"},
}
