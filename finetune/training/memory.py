"""Running out of memory: say what to set, or work through the same batch in smaller pieces."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import torch
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

from finetune.errors import HardwareError
from finetune.recipe import Recipe
from finetune.recipe.augmentation import choose_augmentation

Result = TypeVar("Result")


def fit_in_memory(
    recipe: Recipe, batch_size: int, processes: int, attempt: Callable[[int], Result], say: Callable[[str], None]
) -> Result:
    """Call ``attempt(accumulation_steps)``; with ``optim.find_batch_size``, in ever smaller pieces until it fits.

    The batch that an optimiser step sees stays the same, and so does the result of training.

    Args:
        batch_size: Images per optimiser step.
    Raises:
        HardwareError: memory ran out and no smaller piece may be tried.
    """
    steps = recipe.optim.accumulation_steps
    fewest = 2 if choose_augmentation(recipe.augment).mixes else 1  # images in a piece
    while True:
        try:
            return attempt(steps)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            message = _what_to_set(batch_size, steps, processes)
        if not recipe.optim.find_batch_size or processes > 1 or 2 * steps * fewest > batch_size:
            raise HardwareError(message)
        steps *= 2
        say(f"out of memory; the batch of {batch_size} is now worked through in {steps} pieces")
        gc.collect()
        clear_device_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is the device's, or the machine's, want of memory."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, Exception) and should_reduce_batch_size(error)
    )


def _what_to_set(batch: int, steps: int, processes: int) -> str:
    piece = -(-batch // (steps * processes))
    return (
        f"out of memory with {piece} images in a forward pass; set optim.accumulation_steps: {2 * steps} "
        f"(the batch stays {batch}; with one process, optim.find_batch_size: true does that by itself), "
        "model.activation_checkpointing: true, a smaller model.image_size_px, or run.precision: bf16"
    )
