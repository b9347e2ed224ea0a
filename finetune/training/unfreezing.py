"""Gradual unfreezing: the head learns first, and the blocks join it one by one.

Source: Howard and Ruder, "Universal Language Model Fine-tuning" (2018).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from finetune.model import head_names
from finetune.model.blocks import ordered_parts

KEY = "optim.unfreeze_every_epochs"


class UnfreezeGradually(TrainerCallback):
    """Let the head learn alone at first, and after every span one block more, from the last down.

    The final norm comes with the last block, and what is before the first block with a span of its own at the end.
    What learns follows from the step alone, so a resumed run needs no state. The optimiser knows all parameters from
    the start and passes over those without a gradient.

    Args:
        model: Not wrapped; the parameters that shall learn at all do so now.
        every_epochs: Length of a span.
        say: Told, before the first step, what will never learn because training ends too early.
    Raises:
        CheckpointError: the architecture has no row of blocks.
    """

    def __init__(self, model: PreTrainedModel, every_epochs: float, say: Callable[[str], None]) -> None:
        self.every_epochs, self.say = every_epochs, say
        self._depths, self._joins = self._order(model)
        self._steps_per_span = 0.0
        self._open = -1

    @staticmethod
    def _order(model: PreTrainedModel) -> tuple[int, list[tuple[Any, int]]]:
        parts, heads = ordered_parts(model, KEY), head_names(model)
        learning = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        return parts.top, [
            (parameter, 0 if name in heads else max(1, parts.top - parts.depths[name])) for name, parameter in learning
        ]

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        steps = max(1, len(kwargs["train_dataloader"]) // args.gradient_accumulation_steps)
        self._steps_per_span = self.every_epochs * steps
        last = max((joins_after for _, joins_after in self._joins), default=0)
        reached = self._spans(state.max_steps - 1)
        if reached < last:
            self.say(never_reached(self.every_epochs, state.max_steps, steps, self._depths - 1, reached))
        self._set(state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._set(state.global_step)

    def _spans(self, steps_done: int) -> int:
        return min(self._depths, int(steps_done / self._steps_per_span))

    def _set(self, steps_done: int) -> None:
        spans = self._spans(steps_done)
        if spans == self._open:
            return
        self._open = spans
        for parameter, joins_after in self._joins:
            parameter.requires_grad_(joins_after <= spans)


def never_reached(every_epochs: float, steps: int, steps_per_epoch: int, blocks: int, reached: int) -> str:
    """What never learns, and the span that would reach it.

    Args:
        steps: Of the whole training.
        blocks: In the row. The last of them joins after the first span, and after the first of them all that is left.
        reached: Spans that end before the last step.

    >>> never_reached(2.0, 300, 20, blocks=12, reached=7).partition(", but ")[2]
    'training ends after 15 epochs: blocks 1 to 5 of 12 and what comes before them never learn; write 1.07 to reach all'
    """
    frozen = blocks - reached
    one = f"block 1 of {blocks} and what comes before it never learn"
    names = {0: "what comes before the blocks never learns", 1: one}
    who = names.get(frozen, f"blocks 1 to {frozen} of {blocks} and what comes before them never learn")
    # the last part learns for a span of its own, or at least in the last step
    span = min(steps / (blocks + 2), (steps - 1) / (blocks + 1)) / steps_per_epoch
    cure = f"write {_rounded_down(span):g} to reach all" if span else "leave it out to reach all"
    found = f"found {every_epochs:g}, but training ends after {steps / steps_per_epoch:.3g} epochs"
    return f"{KEY}: {found}: {who}; {cure}"


def _rounded_down(value: float) -> float:
    """To three digits.

    >>> _rounded_down(1.0769), _rounded_down(0.00059999)
    (1.07, 0.000599)
    """
    scale = 10.0 ** (2 - math.floor(math.log10(value)))
    return math.floor(value * scale) / scale
