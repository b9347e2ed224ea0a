"""Trains a recipe with whole weights, with sharded ones, and with sharded ones and an interruption. Run by torchrun.

Accelerate shards over GPUs only, so it is told that the two processes of a CPU were such.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import DistributedType
from torch.distributed.tensor import DTensor
from transformers import TrainerCallback

from finetune.recipe import Recipe, load_recipe
from finetune.run_folder import RunFolder
from finetune.training import Interrupted, train


class Watch(TrainerCallback):
    """Writes down which share of the weights this process holds; may ask to stop during step 5."""

    def __init__(self, recipe: Recipe, stops: bool = False) -> None:
        self.folder, self.stops = RunFolder(Path(recipe.run.root) / str(recipe.run.name)), stops

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        weights = list(kwargs["model"].parameters())
        held = sum((w.to_local() if isinstance(w, DTensor) else w).numel() for w in weights)
        if state.is_world_process_zero:
            self.folder.update_record({"share": held / sum(w.numel() for w in weights)})

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.stops and state.global_step == 4:
            os.kill(os.getpid(), signal.SIGTERM)


def shard() -> None:
    """Switch on FSDP as `accelerate launch` does, and let Accelerate take this process for one of a GPU."""
    os.environ.update(ACCELERATE_USE_FSDP="true", FSDP_VERSION="2", FSDP_AUTO_WRAP_POLICY="TRANSFORMER_BASED_WRAP")
    start = PartialState.__init__

    def start_as_gpu(self: PartialState, *args: Any, **kwargs: Any) -> None:
        start(self, *args, **kwargs)
        if type(self) is PartialState:
            self.distributed_type = DistributedType.MULTI_GPU

    PartialState.__init__ = start_as_gpu  # type: ignore[method-assign]
    PartialState._reset_state()


if __name__ == "__main__":
    whole, sharded, interrupted = (
        load_recipe(sys.argv[1], {"run.name": name}) for name in ("whole", "sharded", "interrupted")
    )
    train(whole, listeners=[Watch(whole)])
    shard()
    train(sharded, listeners=[Watch(sharded)])
    try:
        train(interrupted, listeners=[Watch(interrupted, stops=True)])
    except Interrupted:
        train(interrupted, resume=True, listeners=[Watch(interrupted)])
