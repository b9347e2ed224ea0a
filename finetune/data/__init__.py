"""Files on disk to `datasets.DatasetDict`: adapters, splits, checks, and the one decoder of images.

The names below are imported when they are first used, so that `finetune.data.download` stays importable in
milliseconds, without datasets and numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finetune.data.columns import targets as targets
    from finetune.data.decoded import DecodedImages as DecodedImages
    from finetune.data.findings import Findings as Findings
    from finetune.data.images import decode as decode
    from finetune.data.load import Splits as Splits
    from finetune.data.load import check_data as check_data
    from finetune.data.load import load_held_out as load_held_out
    from finetune.data.load import load_splits as load_splits
    from finetune.data.verify import BadImage as BadImage

_HOME = {
    "BadImage": "verify",
    "DecodedImages": "decoded",
    "Findings": "findings",
    "Splits": "load",
    "check_data": "load",
    "decode": "images",
    "load_held_out": "load",
    "load_splits": "load",
    "targets": "columns",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
