"""An image as a request brings it: base64, or the address of one. Nothing of a request is ever taken for a path."""

from __future__ import annotations

import re

from finetune.data.encoded import BadImageError, content_of, decoded

__all__ = ["BadImageError", "content_of", "decoded", "scheme_of"]
_ADDRESS = re.compile(r"\s*([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def scheme_of(text: str) -> str | None:
    """The scheme of an address, None for what is none.

    >>> scheme_of("HTTPS://example.org/can.jpg"), scheme_of("data:image/png;base64,iVBO"), scheme_of("iVBO/Rw0")
    ('https', None, None)
    """
    found = _ADDRESS.match(text)
    return found[1].lower() if found else None
