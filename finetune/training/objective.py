"""What a step minimises: the loss of the labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from finetune.model import Task


@dataclass(frozen=True)
class LearnLabels:
    """The task's loss, summed over what ``task.count`` counts."""

    task: Task

    def __call__(self, outputs: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.task.loss_sum(outputs, batch["targets"], batch["weights"])
