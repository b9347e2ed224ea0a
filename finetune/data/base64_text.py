"""An image file's bytes as text: base64, or a data: URL."""

from __future__ import annotations

import base64
import binascii

from finetune.errors import DataError


def content_of(text: str) -> bytes:
    """The bytes that a string of base64 or a data: URL holds; line breaks do not matter.

    Raises:
        DataError: it is no base64, or empty.

    >>> content_of("data:image/png;base64,aGVs bG8="), content_of("aGVsbG8=")
    (b'hello', b'hello')
    """
    if text[:5].lower() == "data:":
        kind, comma, text = text.partition(",")
        if not comma or not kind.lower().rstrip().endswith(";base64"):
            raise DataError("a data: URL that is not ;base64; expected data:image/jpeg;base64,<base64>")
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"is no base64 ({error}); expected an image file's bytes in base64") from None
    if not content:
        raise DataError("is empty; expected an image file's bytes in base64")
    return content
