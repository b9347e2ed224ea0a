"""A run of ``recipes/pretrain_nano.yaml`` to the checkpoint that comes with the package.

python -m finetune.model.bundle runs/pretrain_nano
"""

from __future__ import annotations

import sys
from pathlib import Path

from transformers import PreTrainedModel

from finetune.model.nano import bundled_checkpoint
from finetune.model.saved import open_saved, save_model
from finetune.model.sources import locate


def bundle(run: Path) -> Path:
    """Write a run's model into the package as ``deit-nano``, its weights rounded to half precision.

    Returns:
        The folder. Its model card is left as it is.
    Raises:
        CheckpointError: there is no model.
    """
    folder = bundled_checkpoint("deit-nano")
    loaded = open_saved(locate(str(run)).folder)
    half: PreTrainedModel = loaded.model.half()  # type: ignore[no-untyped-call]
    save_model(half, loaded.pixels, folder)
    return folder


if __name__ == "__main__":
    print(bundle(Path(sys.argv[1])))
