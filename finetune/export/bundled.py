"""A run of ``recipes/pretrain_nano.yaml`` to the checkpoint that comes with the package.

python -m finetune.export.bundled runs/pretrain_nano
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from transformers import PreTrainedModel

from finetune.export.agreement import Agreement, Limits, agreement, samples_of
from finetune.model.nano import bundled_checkpoint
from finetune.model.saved import open_saved, save_model
from finetune.predict import Predictor
from finetune.run_folder import RunFolder

_COMPARED = 1000
LIMITS = Limits(difference=1.0, decisions=0.99)
"""The class must stay; a probability among a thousand may move."""


def bundle(run: RunFolder) -> Agreement:
    """Write a run's model into the package as ``deit-nano``, its weights rounded to half precision.

    The model card that lies there is left as it is: its numbers are of the model before.

    Returns:
        How the rounded model compares with the run's, on held-out images.
    Raises:
        CheckpointError: rounding loses too much; what is in the package stays.
    """
    place = bundled_checkpoint("deit-nano")
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        loaded = open_saved(run.model)
        half: PreTrainedModel = loaded.model.half()  # type: ignore[no-untyped-call]
        save_model(half, loaded.pixels, fresh)
        found = agreement(
            Predictor(run.model, device="cpu"), Predictor(fresh, device="cpu"), samples_of(run, _COMPARED)
        )
        LIMITS.hold(found, f"{run}: the model in half precision", f"{place} is left as it was")
        shutil.copytree(fresh, place, dirs_exist_ok=True)
    return found


def main() -> None:
    """Bundle the run that the command line names."""
    found = bundle(RunFolder.open(Path(sys.argv[1])))
    place = bundled_checkpoint("deit-nano")
    print(f"{place}, rounded to half precision; {found}")
    print(
        f"now measure it by tests/benchmarks/transfer.py and revise {place / 'README.md'}, which is of the model before"
    )


if __name__ == "__main__":
    main()
