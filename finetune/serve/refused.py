"""What a client is told when it gets no scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class RefusedError(Exception):
    """A request that is not carried out.

    Args:
        status: Of HTTP: 401 no key, 404, 408 the body came too slowly, 413 too much, 422 not understood, 429 no room,
            503 the model failed, 504 not done in time.
        reason: What was found, what was expected, what to do.
        image: Index of the image that is the reason, if one is.
        details: More keys of the answer.
    """

    def __init__(self, status: int, reason: str, image: int | None = None, **details: Any) -> None:
        super().__init__(reason)
        self.status, self.reason, self.image, self.details = status, reason, image, details

    @property
    def content(self) -> dict[str, Any]:
        """The answer's JSON."""
        where = {} if self.image is None else {"image": self.image}
        return {"error": self.reason, **where, **self.details}

    @property
    def headers(self) -> Mapping[str, str]:
        """What goes with the status."""
        return {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}}.get(self.status, {})
