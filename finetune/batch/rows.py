"""One image that is to be predicted: where it is, or what is wrong with the line that should say so."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

from PIL import Image

from finetune.data.base64_text import content_of
from finetune.data.images import decode
from finetune.errors import DataError


@dataclass(frozen=True)
class Row:
    """An image, not read yet.

    Args:
        name: What the result calls it: its path, or TABLE#ROW for one that lies in a table.
        content: The image file's bytes, or the base64 of them, also as a data: URL; None for an image that is a file at
            ``name``.
        fault: Why there is no image, where a table's row is faulty.
        file, number: The file that was given and the row in it, from 0; an image file is its own row 0.
    """

    name: str
    content: str | bytes | None = None
    fault: str | None = None
    file: str = ""
    number: int = 0

    @property
    def shown(self) -> str:
        """The name as text that every format can hold, also where a file's name is not UTF-8."""
        return self.name.encode(errors="surrogateescape").decode(errors="replace")

    def image(self) -> Image.Image:
        """Read and decode it.

        Raises:
            DataError: it cannot be.
        """
        if self.fault is not None:
            raise DataError(self.fault)
        if self.content is None:
            return decode(self.name)
        content = content_of(self.content) if isinstance(self.content, str) else self.content
        return decode({"bytes": content, "path": self.name})

    def held_bytes(self) -> int:
        """How much of memory it takes, about."""
        return len(self.content or b"")

    def stamp(self) -> bytes:
        """What tells this image from another of the same name: a file's size and time, or the content itself."""
        if self.content is not None:
            content = self.content.encode() if isinstance(self.content, str) else self.content
            found = hashlib.sha256(content).hexdigest()
        elif self.fault is not None:
            found = self.fault
        else:
            try:
                status = os.stat(self.name)
                found = f"{status.st_size} {status.st_mtime_ns}"
            except (OSError, ValueError):
                found = "missing"
        return f"{self.name}\0{found}\n".encode(errors="surrogateescape")
