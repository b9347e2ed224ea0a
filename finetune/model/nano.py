"""``bundled:deit-nano``: a small DeiT with a 1000-class head that this project pre-trained on formulas.

It comes with the package, as an ordinary checkpoint folder in half precision with its model card. `make pretrain` makes
it again.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from finetune.errors import CheckpointError, did_you_mean

BUNDLED = ("deit-nano",)


def bundled_checkpoint(name: str) -> Path:
    """The folder of a checkpoint that comes with this package.

    Raises:
        CheckpointError: there is no such checkpoint.
    """
    if name not in BUNDLED:
        known = ", ".join(f"bundled:{known}" for known in BUNDLED)
        raise CheckpointError(f"bundled:{name}: no such checkpoint{did_you_mean(name, BUNDLED)}; there is {known}")
    return Path(str(files("finetune"))) / "assets" / name
