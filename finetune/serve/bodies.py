"""A request's body, read within the limits."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from finetune.recipe.sections import Serve
from finetune.serve.refused import RefusedError
from finetune.serve.room import Share

_READ_ON = 4
"""A body of up to so many times the limit is read to its end and thrown away, so that its sender hears why."""


async def read_body(request: Request, options: Serve, share: Share) -> bytes:
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
