"""What a step minimises: the loss of the labels, and of a teacher's word where there is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F  # noqa: N812

from finetune.errors import RecipeError
from finetune.model import Task
from finetune.model.head import find_heads
from finetune.model.task import head_logits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Batch = dict[str, torch.Tensor]
Objective = Callable[[Any, Batch], torch.Tensor]
"""A model's outputs and their batch to the loss, summed over what ``task.count`` counts; float32 scalar."""


@dataclass(frozen=True)
class LearnLabels:
    """The task's loss, summed over what ``task.count`` counts."""

    task: Task

    def __call__(self, outputs: Any, batch: Batch) -> torch.Tensor:
        return self.task.loss_sum(outputs, batch["targets"], batch["weights"])


@dataclass(frozen=True)
class LearnFromTeacher:
    """(1 - weight) · loss of the labels + weight · loss of the teacher's word.

    A distilled DeiT learns the labels on its class token and the teacher's word on its distillation token; any
    other model learns both on its one head. What ``task.count`` does not count, padding and unknown labels, is
    left out of both: the teacher's word on a cell that nobody labelled would be a term that no divisor counts.

    Args:
        answers: The teacher's logits of a batch, (N, C) in the order of the student's classes.
        kind: ``soft`` learns the teacher's probabilities, ``hard`` its decisions, without label smoothing.
        temperature: Divides the logits of both, soft only.
        weight: Share of the teacher, 0 to 1.
    Source: DeiT (Touvron et al., 2021), equations 2 (soft) and 3 (hard, weight 0.5). Equation 2 sums over the
        classes of an image, and so does this; the published code also divides by their number, which makes the
        teacher's share of a thousand classes a thousandth of what its weight says.
    """

    task: Task
    answers: Callable[[Batch], torch.Tensor]
    kind: Literal["soft", "hard"]
    temperature: float
    weight: float

    def __call__(self, outputs: Any, batch: Batch) -> torch.Tensor:
        heads = head_logits(outputs)
        labels = self.task.logits_loss_sum(heads[0], batch["targets"], batch["weights"])
        teacher = self._teacher_loss_sum(heads[-1].float(), batch)
        return (1 - self.weight) * labels + self.weight * teacher

    def _teacher_loss_sum(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        losses = TEACHER_LOSSES[self.task.name, self.kind](logits, self.answers(batch).float(), self.temperature)
        return losses.mul(self.task.known(batch["targets"], batch["weights"])).sum()


def check_heads_learn(model: PreTrainedModel, weight: float) -> None:
    """Refuse to give the teacher all the weight where a model has a head for the labels alone.

    Raises:
        RecipeError: the head would stay as it was drawn, and a prediction is the mean of both heads.
    """
    heads = list(find_heads(model))
    if weight == 1.0 and len(heads) > 1:
        why = f"but then {heads[0]}, which hears the labels alone, learns nothing, and predictions are the mean of both"
        raise RecipeError([f"distill.weight: found 1.0, {why} heads; write 0.5, or another value below 1"])


# ---------------------------------------------------------------- a teacher's word, by image or by cell


def softmax_divergence(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """τ² · KL(teacher || student) of the softmax of logits / τ.

    τ² keeps the gradient's size as τ grows (Hinton et al., 2015).

    Args:
        student, teacher: Logits, (N, C).
    Returns:
        (N,), 0 where both agree.
    """
    found, wanted = F.log_softmax(student / temperature, dim=-1), F.log_softmax(teacher / temperature, dim=-1)
    return temperature**2 * F.kl_div(found, wanted, reduction="none", log_target=True).sum(dim=-1)


def softmax_decision(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """(N,) cross-entropy with the class that the teacher finds most probable; the temperature changes nothing."""
    return F.cross_entropy(student, teacher.argmax(dim=-1), reduction="none")


def sigmoid_divergence(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """τ² · KL(teacher || student) of each label's own probability, the sigmoid of its logit / τ.

    It is the binary cross-entropy with the teacher's probability less the teacher's entropy, which no gradient
    depends on; without it the loss would not end at 0, and would not compare with the softmax's.

    Args:
        student, teacher: Logits, (N, C).
    Returns:
        (N, C), 0 where both agree.
    """
    found, known = student / temperature, teacher / temperature
    wanted = torch.sigmoid(known)
    cross_entropy = F.binary_cross_entropy_with_logits(found, wanted, reduction="none")
    entropy = F.binary_cross_entropy_with_logits(known, wanted, reduction="none")
    return temperature**2 * (cross_entropy - entropy)


def sigmoid_decision(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """(N, C) binary cross-entropy with the labels that the teacher gives a probability of at least 0.5."""
    return F.binary_cross_entropy_with_logits(student, (teacher >= 0).float(), reduction="none")


TEACHER_LOSSES: dict[tuple[str, str], Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]] = {
    ("multiclass", "soft"): softmax_divergence,
    ("multiclass", "hard"): softmax_decision,
    ("multilabel", "soft"): sigmoid_divergence,
    ("multilabel", "hard"): sigmoid_decision,
}
