"""A run folder belongs to one process while it trains, so that no second one resumes or deletes it.

The operating system holds the claim and drops it when the process ends, however it ends: after a kill -9 the
run can be resumed at once. Loader processes that are forked do not inherit it. Where files cannot be locked
(Windows, some network file systems) every claim succeeds.
"""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import IO

from finetune.errors import RunFolderError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_FILE = ".claim"
_held: dict[Path, IO[str]] = {}


def claim(folder: Path, doing: str = "training this run") -> None:
    """Take the folder for this process, until `release` or the process's end.

    Args:
        doing: What a process that has it does, for the message.
    Raises:
        RunFolderError: another living process has it (the message says which), or it cannot be written.
    """
    if folder in _held:
        return
    try:
        file = (folder / _FILE).open("a+", encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be written: {error.strerror}") from error
    if not _locked(file):
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise RunFolderError(f"{folder}: {holder} is still {doing}; stop it first, or wait")
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    file.flush()
    _held[folder] = file


def release(folder: Path) -> None:
    """Give the folder up; nothing happens where it was not claimed."""
    file = _held.pop(folder, None)
    if file is not None:
        file.close()


def _locked(file: IO[str]) -> bool:
    """Whether the lock is ours now. lockf, not flock: it stays with this process and is not handed to forks."""
    if fcntl is None:
        return True
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True
