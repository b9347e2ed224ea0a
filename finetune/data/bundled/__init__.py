"""Data sets that need no network: a recipe names one as ``data.root: bundled:NAME``.

========================== ==============================================================================
`fridge-objects`           134 drawn JPEGs, 499×666 px, in class folders can, carton, milk_bottle, water_bottle
`multilabel-fridge-objects` 128 drawn JPEGs, 499×666 px, under ``images/``, one to four objects each; ``labels.csv``
`digits`                   1,797 handwritten digits, 64×64 px PNG, in class folders 0 … 9
`digits-multilabel`        720 sheets of one to four of these digits, 64×64 px PNG, under ``images/``; ``labels.csv``
========================== ==============================================================================

A set is drawn or written when it is first used, under the cache folder (`finetune.cache.cache_dir`), and is the
same on every machine. The number in a folder's name is the drawing's version.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from finetune.cache import cache_dir
from finetune.data.bundled.digits import write_digit_sheets, write_digits
from finetune.data.bundled.fridge.sets import write_fridge_objects, write_multilabel_fridge_objects
from finetune.errors import DataError, did_you_mean

_VERSION = 1
_WRITERS: dict[str, Callable[[Path], None]] = {
    "fridge-objects": write_fridge_objects,
    "multilabel-fridge-objects": write_multilabel_fridge_objects,
    "digits": write_digits,
    "digits-multilabel": write_digit_sheets,
}


def bundled_names() -> list[str]:
    """The names that follow ``bundled:`` in ``data.root``.

    >>> bundled_names()
    ['fridge-objects', 'multilabel-fridge-objects', 'digits', 'digits-multilabel']
    """
    return list(_WRITERS)


def bundled_root(name: str) -> Path:
    """The folder of a bundled set; written when it is first used.

    Args:
        name: One of `bundled_names`, without the ``bundled:`` in front.
    Raises:
        DataError: there is no such set; the known ones are listed.
    """
    if name not in _WRITERS:
        known = bundled_names()
        raise DataError(
            f"bundled:{name}: there is no bundled data set of this name{did_you_mean(name, known)}"
            f" (known: {', '.join(known)})"
        )
    root = cache_dir("bundled") / f"{name}-v{_VERSION}"
    if not root.is_dir():
        _write_whole(root, _WRITERS[name])
    return root


def _write_whole(root: Path, write: Callable[[Path], None]) -> None:
    """Write beside `root` and rename, so that nobody ever sees half a set; another process may be first."""
    with tempfile.TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent) as scratch:
        fresh = Path(scratch) / root.name
        fresh.mkdir()
        write(fresh)
        try:
            os.rename(fresh, root)
        except OSError:
            if not root.is_dir():
                raise
