"""Folders that are written beside the one they replace, and take its place when they are whole."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """An empty folder that takes ``target``'s place when the block ends; where it raises, what was there stays."""
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        fresh = Path(scratch) / target.name
        fresh.mkdir()
        yield fresh
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
