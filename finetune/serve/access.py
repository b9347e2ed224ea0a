"""Around every request: its line in the log, its numbers, and no traceback for the client."""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any
from urllib.parse import quote

from starlette.requests import ClientDisconnect

from finetune.serve.metrics import Metrics

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_LOG = logging.getLogger("finetune.serve")
_ACCESS = logging.getLogger("finetune.serve.access")
_FAULT = b'{"error": "a fault of the server; its log has more"}'
CLIENT_LEFT = 499


class Access:
    """ASGI middleware.

    Args:
        paths: Those that are counted by name; whatever else is asked for counts as ``other``.
    """

    def __init__(self, app: App, metrics: Metrics, paths: frozenset[str]) -> None:
        self._app, self._metrics, self._paths = app, metrics, paths

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = perf_counter(), CLIENT_LEFT

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except ClientDisconnect:
            pass
        except Exception:
            _LOG.exception("%s failed", quote(scope["path"]))
            if status == CLIENT_LEFT:
                headers = [(b"content-type", b"application/json"), (b"content-length", str(len(_FAULT)).encode())]
                await noted({"type": "http.response.start", "status": 500, "headers": headers})
                await send({"type": "http.response.body", "body": _FAULT})
        finally:
            seconds, path = perf_counter() - began, scope["path"]
            self._metrics.answered(path if path in self._paths else "other", status, seconds)
            images = scope.get("state", {}).get("images", "-")
            who = (scope.get("client") or ("-",))[0]
            # without the query, which may hold what nobody should read; quoted, so that a path is one line
            words = (who, scope["method"], quote(path), status, images, seconds * 1000)
            _ACCESS.info("%s %s %s %d images=%s %.1f ms", *words)


def log_to_stderr(access: bool) -> None:
    """Send this package's log to stderr, with or without a line for each request."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    _LOG.handlers, _LOG.propagate = [handler], False
    _LOG.setLevel(logging.INFO)
    _ACCESS.setLevel(logging.INFO if access else logging.WARNING)
