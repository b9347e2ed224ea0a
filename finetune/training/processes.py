"""Several processes as one: started together, told the same, and only one of them speaks."""

from __future__ import annotations

import atexit
import logging
import os
import pickle
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from accelerate import PartialState
from transformers.utils import logging as transformers_logging

from finetune.training.hardware import Hardware, shards_weights

Value = TypeVar("Value")


def join_processes(hardware: Hardware) -> None:
    """Meet the other processes, and silence the libraries in all but the main one.

    transformers' own bars and reports of loading are switched off everywhere: a run has one bar.
    """
    if shards_weights():
        os.environ["FSDP_STATE_DICT_TYPE"] = "FULL_STATE_DICT"  # checkpoints hold the whole model
    PartialState(cpu=hardware.device_type == "cpu")
    atexit.unregister(_part)
    atexit.register(_part)
    quiet: Any = transformers_logging
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    if not hardware.is_main:
        logging.disable(logging.WARNING)


def main_first() -> AbstractContextManager[None]:
    """The main process goes first (downloads, draws, verifies); the others then find what it left in the cache."""
    return PartialState().main_process_first()  # type: ignore[no-any-return]


def from_main(work: Callable[[], Value]) -> Value:
    """Do ``work`` in the main process only and give its result, or its error, to all."""
    if not dist.is_initialized():
        return work()
    outcome: list[bytes | None] = [_outcome(work) if dist.get_rank() == 0 else None]
    dist.broadcast_object_list(outcome, src=0)
    value, error = pickle.loads(outcome[0] or b"")
    if error is not None:
        raise error
    return value  # type: ignore[no-any-return]


@torch.no_grad()
def as_in_main(tensors: Iterable[torch.Tensor]) -> None:
    """Give the tensors of every process the main one's values, in place."""
    for tensor in tensors if dist.is_initialized() else ():
        dist.broadcast(tensor, src=0)


def wait_for_all() -> None:
    """Return when every process has come here."""
    PartialState().wait_for_everyone()


def _part() -> None:
    """Leave the other processes before the interpreter ends: a group that is still alive then can abort it."""
    if dist.is_initialized():
        dist.destroy_process_group()


def _outcome(work: Callable[[], Value]) -> bytes:
    try:
        return pickle.dumps((work(), None))
    except Exception as error:
        return pickle.dumps((None, error))
