"""An image as a request brings it, to a decoded one. Nothing of a request is ever taken for a path."""

from __future__ import annotations

import base64
import binascii
import re

from PIL import Image

from finetune.data.images import ImageError, decode

MAX_SCANS = 64
"""Of one JPEG. A progressive one has about ten; each is a pass over all its pixels, and a file may claim thousands."""
_SCAN = b"\xff\xda"
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


def content_of(text: str) -> bytes:
    """The bytes that a string of base64 or a data: URL holds; line breaks do not matter.

    Raises:
        BadImageError: it is no base64, or empty.
    """
    if text[:5].lower() == "data:":
        kind, comma, text = text.partition(",")
        if not comma or not kind.lower().rstrip().endswith(";base64"):
            raise BadImageError("a data: URL without ;base64, ; expected data:image/jpeg;base64,<base64>")
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadImageError(f"is no base64 ({error}); expected an image file's bytes in base64") from None
    if not content:
        raise BadImageError("is empty; expected an image file's bytes in base64")
    return content


def decoded(content: bytes, max_pixels: int) -> Image.Image:
    """The image, upright, mode RGB, from an image file's bytes.

    Raises:
        BadImageError: it is no image, cut short, or too large.
    """
    if content.startswith(b"\xff\xd8") and (scans := content.count(_SCAN)) > MAX_SCANS:
        raise BadImageError(f"a JPEG of {scans} scans; the limit is {MAX_SCANS}")
    try:
        return decode(content, max_pixels)
    except ImageError as error:
        raise BadImageError(f"{error.kind} ({error.detail})") from None
    except MemoryError:
        raise BadImageError("cannot be read (it needs more memory than there is)") from None
