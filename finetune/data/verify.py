"""Does every image decode? Asked once per file, in threads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from finetune.data.images import Header, ImageError, verify


@dataclass(frozen=True)
class BadImage:
    """An image that cannot be used: its path, what kind of fault, and what was found."""

    path: str
    kind: str
    detail: str

    @property
    def reason(self) -> str:
        """Kind and detail in one line."""
        return f"{self.kind} ({self.detail})"


class Verified(NamedTuple):
    """What is known of an image: a digest of its bytes, and its header or its fault."""

    content: bytes
    header: Header | None
    fault: tuple[str, str] | None


def verify_images(paths: Sequence[str], read: Callable[[int], bytes] | None = None) -> list[Verified]:
    """Verify images in threads; Pillow decodes outside of Python's lock."""
    with ThreadPoolExecutor(min(16, (os.cpu_count() or 1) + 2)) as threads:
        return list(threads.map(_verified, paths))


def _verified(path: str) -> Verified:
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return Verified(b"", None, ("missing", "there is no such file"))
    except OSError as error:
        return Verified(b"", None, ("cannot be read", error.strerror or str(error)))
    content = hashlib.blake2b(data, digest_size=16).digest()
    try:
        return Verified(content, verify(data), None)
    except ImageError as fault:
        return Verified(content, None, (fault.kind, fault.detail))
