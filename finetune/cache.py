"""The folder where downloads, drawn data sets and other things that can be made again are kept."""

from __future__ import annotations

import os
from pathlib import Path

from finetune.errors import FinetuneError


def cache_dir(*parts: str) -> Path:
    """A folder below the cache, created: $DEIT_FINETUNE_CACHE, else $XDG_CACHE_HOME/deit-finetune, else ~/.cache/…

    Raises:
        FinetuneError: it cannot be created.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("DEIT_FINETUNE_CACHE") or Path(home) / "deit-finetune", *parts).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        cure = "set the environment variable DEIT_FINETUNE_CACHE to a folder that can be written"
        raise FinetuneError(f"the cache folder {folder} cannot be made ({error.strerror}); {cure}") from error
    return folder
