"""A smallest recipe, and one that has every key of every section."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def smallest() -> dict[str, Any]:
    """Task and data; all else is default."""
    return {"task": "multiclass", "data": {"kind": "folder", "root": "photos"}}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """``write("task: …", name="pets.yaml")``: a recipe file."""

    def file(text: str | bytes, name: str = "pets.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return file
