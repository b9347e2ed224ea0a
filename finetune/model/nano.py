"""``bundled:deit-nano``: a small DeiT with a 1000-class head that this project pre-trained on formulas.

It comes with the package, as an ordinary checkpoint folder in half precision with its model card.

    python -m finetune.model.nano runs/pretrain_nano

puts the model of a run of ``recipes/pretrain_nano.yaml`` in its place.
"""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.errors import CheckpointError, did_you_mean

if TYPE_CHECKING:
    from transformers import PreTrainedModel


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


def bundle(run: Path) -> Path:
    """Write a run's model into the package as ``deit-nano``, its weights rounded to half precision.

    Returns:
        The folder. Its model card is left as it is.
    Raises:
        CheckpointError: there is no model.
    """
    from finetune.model.saved import open_saved, save_model
    from finetune.model.sources import locate

    folder = bundled_checkpoint("deit-nano")
    loaded = open_saved(locate(str(run)).folder)
    half: PreTrainedModel = loaded.model.half()  # type: ignore[no-untyped-call]
    save_model(half, loaded.pixels, folder)
    return folder


if __name__ == "__main__":
    print(bundle(Path(sys.argv[1])))
