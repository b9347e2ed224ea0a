"""The server as a FastAPI application: which path is answered by which endpoint.

``/docs`` is FastAPI's own page and loads its script from a CDN; ``/openapi.json``, which it shows, needs no network,
nor does the page at ``/``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version

from fastapi import Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse

from finetune.predict import Predictor
from finetune.recipe.sections import Serve
from finetune.serve.access import Access
from finetune.serve.answers import PlainJSON, answer_errors
from finetune.serve.endpoints import Endpoints
from finetune.serve.keys import is_allowed
from finetune.serve.metrics import Metrics
from finetune.serve.openapi import GUARDED, LOOKS, READY, REQUEST, SCORES
from finetune.serve.refused import RefusedError
from finetune.serve.service import Service

_PATHS = frozenset({"/", "/score", "/attention", "/health", "/ready", "/model", "/metrics", "/docs", "/openapi.json"})


def make_app(predictor: Predictor, options: Serve, key: bytes | None = None) -> FastAPI:
    """An application that serves a model; its threads live from startup to shutdown.

    Args:
        key: What requests to the model must bring, None for nothing.
    """
    metrics = Metrics()
    service = Service(predictor, options, metrics)
    app = FastAPI(
        title="deit-finetune",
        version=version("deit-finetune"),
        lifespan=_lifespan(service),
        default_response_class=PlainJSON,
        redoc_url=None,
    )
    app.add_middleware(Access, metrics=metrics, paths=_PATHS)
    answer_errors(app)
    of, guarded = Endpoints(service, options, metrics), [Depends(_guard(key))]
    app.post("/score", dependencies=guarded, openapi_extra=REQUEST, responses=SCORES)(of.score)
    app.post("/attention", dependencies=guarded, openapi_extra=REQUEST, responses=LOOKS)(of.attention)
    app.get("/health")(of.health)
    app.get("/ready", responses=READY)(of.ready)
    app.get("/model", dependencies=guarded, responses=GUARDED)(of.model)
    app.get("/metrics", dependencies=guarded, responses=GUARDED, response_class=PlainTextResponse)(of.prometheus)
    app.get("/", include_in_schema=False)(of.page)
    return app


def _lifespan(service: Service) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    return lifespan


def _guard(key: bytes | None) -> Callable[[Request], Awaitable[None]]:
    async def allowed(request: Request) -> None:
        if not is_allowed(request.headers.get("authorization"), key):
            raise RefusedError(401, "no valid API key; send it as Authorization: Bearer KEY")

    return allowed
