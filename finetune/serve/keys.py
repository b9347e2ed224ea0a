"""The optional key that requests to the model must bring."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from finetune.errors import RecipeError

VARIABLE = "DEIT_FINETUNE_API_KEY"


def read_key(file: str | None) -> bytes | None:
    """The key: the first line of a file, else the environment's ``DEIT_FINETUNE_API_KEY``, else none is asked for.

    Raises:
        RecipeError: the file cannot be read, or the key is empty.
    """
    if file is None:
        if VARIABLE not in os.environ:
            return None
        where, text = VARIABLE, os.environ[VARIABLE]
    else:
        where = f"--api-key-file {file}"
        try:
            text = Path(file).read_text(encoding="utf-8").partition("\n")[0]
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError([f"{where}: cannot be read ({error})"], "serve") from error
    if not text.strip():
        raise RecipeError([f"{where}: is empty; expected a key, such as `openssl rand -hex 32` prints"], "serve")
    return text.strip().encode()


def is_allowed(header: str | None, key: bytes | None) -> bool:
    """Whether an Authorization header brings the key, compared in constant time.

    >>> is_allowed("Bearer abc", b"abc"), is_allowed("Bearer abd", b"abc"), is_allowed(None, b"abc")
    (True, False, False)
    """
    if key is None:
        return True
    scheme, _, given = (header or "").partition(" ")
    return hmac.compare_digest(given.strip().encode("utf-8", "replace"), key) and scheme.lower() == "bearer"
