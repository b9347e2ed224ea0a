"""An image as a request brings it, to a decoded one. Nothing of a request is ever taken for a path."""

from __future__ import annotations

import re

from PIL import Image

from finetune.data.base64_text import content_of
from finetune.data.images import ImageError, decode
from finetune.errors import DataError

_ADDRESS = re.compile(r"\s*([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


class BadImageError(Exception):
    """One image cannot be scored; the message says why."""


def scheme_of(text: str) -> str | None:
    """The scheme of an address, None for what is none.

    >>> scheme_of("HTTPS://example.org/can.jpg"), scheme_of("data:image/png;base64,iVBO"), scheme_of("iVBO/Rw0")
    ('https', None, None)
    """
    found = _ADDRESS.match(text)
    return found[1].lower() if found else None


def decoded(content: str | bytes, max_pixels: int) -> Image.Image:
    """The image, upright, mode RGB, from an image file's bytes, or from their base64 or data: URL.

    Raises:
        BadImageError: it is no base64, no image, cut short, or too large.
    """
    try:
        return decode(content_of(content) if isinstance(content, str) else content, max_pixels)
    except ImageError as error:
        raise BadImageError(f"{error.kind} ({error.detail})") from None
    except DataError as error:
        raise BadImageError(str(error)) from None
    except MemoryError:
        raise BadImageError("cannot be read (it needs more memory than there is)") from None
