"""The folder where downloads, drawn data sets and other things that can be made again are kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir(*parts: str) -> Path:
    """A folder below the cache, created: $DEIT_FINETUNE_CACHE, else $XDG_CACHE_HOME/deit-finetune, else ~/.cache/…"""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("DEIT_FINETUNE_CACHE") or Path(home) / "deit-finetune", *parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
