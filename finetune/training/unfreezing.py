"""Gradual unfreezing: the head learns first, and the blocks join it one by one.

Source: Howard and Ruder, "Universal Language Model Fine-tuning" (2018).
"""

from __future__ import annotations

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
    Raises:
        CheckpointError: the architecture has no row of blocks.
    """

    def __init__(self, model: PreTrainedModel, every_epochs: float) -> None:
        self.every_epochs = every_epochs
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
        self._set(state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._set(state.global_step)

    def _set(self, steps_done: int) -> None:
        spans = min(self._depths, int(steps_done / self._steps_per_span))
        if spans == self._open:
            return
        self._open = spans
        for parameter, joins_after in self._joins:
            parameter.requires_grad_(joins_after <= spans)
