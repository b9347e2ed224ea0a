"""Trains a recipe with whole weights, with sharded ones, and with sharded ones and an interruption. Run by torchrun.

Accelerate shards over GPUs only, so it is told that the two processes of a CPU were such.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from accelerate import PartialState
from accelerate.utils import DistributedType
from torch.distributed.tensor import DTensor
from transformers import TrainerCallback

from finetune.recipe import load_recipe
from finetune.training import Interrupted, runner, train


class Watch(TrainerCallback):
    """Writes down which share of the weights this process holds; may ask to stop during step 5."""

    def __init__(self, work: Any) -> None:
        self.work, self.stops = work, work.folder.path.name == "interrupted" and not work.plan.interrupted

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        weights = list(kwargs["model"].parameters())
        held = sum((w.to_local() if isinstance(w, DTensor) else w).numel() for w in weights)
        self.work.note({"share": held / sum(w.numel() for w in weights)})

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.stops and state.global_step == 4:
            os.kill(os.getpid(), signal.SIGTERM)


class Watched(runner.Work):
    def callbacks(self) -> list[Any]:
        return [Watch(self), *super().callbacks()]


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
    runner.Work = Watched  # type: ignore[misc]
    train(load_recipe(sys.argv[1], {"run.name": "whole"}))
    shard()
    train(load_recipe(sys.argv[1], {"run.name": "sharded"}))
    interrupted = load_recipe(sys.argv[1], {"run.name": "interrupted"})
    try:
        train(interrupted)
    except Interrupted:
        train(interrupted, resume=True)
