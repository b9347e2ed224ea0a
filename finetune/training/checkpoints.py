"""Which checkpoint a run can go on from: only one that was written to its end counts.

A process can die at any byte. The last thing written into a checkpoint is ``complete.json`` with the size of every
file; a checkpoint without it, or with a file of another size, is passed over. (The Trainer alone would resume without
a missing optimiser state, and say nothing.)
"""

from __future__ import annotations

import json
import os
from pathlib import Path

MARKER = "complete.json"


def mark_complete(checkpoint: Path) -> None:
    """Write the marker, as the last file of a checkpoint."""
    sizes = {file.name: file.stat().st_size for file in sorted(checkpoint.iterdir()) if file.is_file()}
    temporary = checkpoint / f"{MARKER}.part"
    with temporary.open("w") as stream:
        json.dump(sizes, stream)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(checkpoint / MARKER)


def is_complete(checkpoint: Path) -> bool:
    """Whether every file that the marker names is there, and whole."""
    try:
        sizes: dict[str, int] = json.loads((checkpoint / MARKER).read_text())
    except (OSError, ValueError):
        return False
    return all(_size(checkpoint / name) == size for name, size in sizes.items() if name != MARKER)


def last_complete(folder: Path) -> tuple[Path | None, list[Path]]:
    """The newest complete checkpoint and the newer ones that had to be skipped.

    Args:
        folder: Holds ``checkpoint-STEP`` folders.
    Returns:
        (checkpoint or None, skipped): skipped ones are newest first.
    """
    checkpoints = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    skipped: list[Path] = []
    for checkpoint in checkpoints:
        if is_complete(checkpoint):
            return checkpoint, skipped
        skipped.append(checkpoint)
    return None, skipped


def step_of(checkpoint: Path) -> int:
    """The optimiser step that a checkpoint was saved after."""
    return int(checkpoint.name.rpartition("-")[2])


def _size(file: Path) -> int | None:
    return file.stat().st_size if file.is_file() else None
