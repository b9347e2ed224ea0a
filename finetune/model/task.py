"""softmax or sigmoid, decided once: loss, probabilities and decisions of a task.

A loss comes as a sum and a count of its terms. Whoever adds up over accumulation steps and processes
divides once, and gets what one large batch would have given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from finetune.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from finetune.recipe.sections import Recipe

ProblemType = Literal["single_label_classification", "multi_label_classification"]


@dataclass(frozen=True)
class Task:
    """What is learnt.

    Args:
        label_smoothing: Share of the target that is spread evenly, in [0, 1).
    """

    label_smoothing: float = 0.0

    name: ClassVar[Literal["multiclass", "multilabel"]]
    problem_type: ClassVar[ProblemType]

    def loss_sum(self, outputs: Any, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """The loss summed over what ``count`` counts, in float32.

        Args:
            outputs: The model's, with ``logits`` (N, C); where it has two heads (``cls_logits`` and
                ``distillation_logits``), both learn and the mean of their losses counts.
            targets: multiclass: (N,) class ids; multilabel: (N, C), 1 present, 0 absent, -1 nobody knows.
            weights: (N,), 1 for an image, 0 for padding.
        """
        heads = head_logits(outputs)
        losses = [self._loss_sum(logits.float(), targets, weights.float()) for logits in heads]
        return torch.stack(losses).mean()

    def count(self, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """How many terms ``loss_sum`` adds: images (multiclass) or known cells (multilabel); float32 scalar."""
        raise NotImplementedError

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """(N, C) float64 probabilities of (N, C) logits."""
        raise NotImplementedError

    def decisions(self, probabilities: np.ndarray, threshold: float = 0.5) -> np.ndarray:
        """(N,) int64 class ids, or (N, C) int8 with 1 from the threshold up."""
        raise NotImplementedError

    def _loss_sum(self, logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


class Multiclass(Task):
    """One label an image: softmax and cross-entropy."""

    name = "multiclass"
    problem_type = "single_label_classification"

    def count(self, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return weights.float().sum()

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Softmax over the classes.

        >>> Multiclass().probabilities(np.array([[7.0], [-3.0]])).tolist()
        [[1.0], [1.0]]
        """
        shifted = np.asarray(logits, dtype=np.float64)
        powers = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True))

    def decisions(self, probabilities: np.ndarray, threshold: float = 0.5) -> np.ndarray:
        return np.asarray(np.asarray(probabilities).argmax(axis=-1), dtype=np.int64)

    def _loss_sum(self, logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        soft = targets.is_floating_point()
        ids = targets if soft else targets.long().masked_fill(weights == 0, 0)
        losses = F.cross_entropy(logits, ids, reduction="none", label_smoothing=self.label_smoothing)
        return losses.mul(weights).sum()


class Multilabel(Task):
    """Any number of labels an image: sigmoid and binary cross-entropy, cells that nobody knows left out."""

    name = "multilabel"
    problem_type = "multi_label_classification"

    def count(self, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return self._known(targets, weights.float()).sum()

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Sigmoid of each logit, without overflow at either end.

        >>> Multilabel().probabilities(np.array([[0.0, -1000.0, 1000.0]])).tolist()
        [[0.5, 0.0, 1.0]]
        """
        values = np.asarray(logits, dtype=np.float64)
        small = np.exp(-np.abs(values))
        return np.where(values >= 0, 1.0, small) / (1.0 + small)

    def decisions(self, probabilities: np.ndarray, threshold: float = 0.5) -> np.ndarray:
        return (np.asarray(probabilities) >= threshold).astype(np.int8)

    def _loss_sum(self, logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        known = self._known(targets, weights)
        present = targets.float().clamp(min=0.0)
        smooth = present * (1.0 - self.label_smoothing) + self.label_smoothing / 2
        return F.binary_cross_entropy_with_logits(logits, smooth, reduction="none").mul(known).sum()

    @staticmethod
    def _known(targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return (targets >= 0).float() * weights.unsqueeze(1)


def choose_task(recipe: Recipe) -> Task:
    """The task that a recipe asks for."""
    kind = {"multiclass": Multiclass, "multilabel": Multilabel}[recipe.task]
    return kind(label_smoothing=recipe.loss.label_smoothing)


def saved_task(config: PretrainedConfig) -> Task:
    """The task that a saved model was trained for, without its label smoothing.

    Raises:
        CheckpointError: the config does not say; models saved by this project do.
    """
    if config.problem_type == Multilabel.problem_type:
        return Multilabel()
    # Softmax over one class has no name in transformers, see head.name_task.
    if config.problem_type == Multiclass.problem_type or (config.problem_type is None and config.num_labels == 1):
        return Multiclass()
    raise CheckpointError(
        f"{config.name_or_path or 'the model'}: config.json says problem_type {config.problem_type}; expected "
        f"{Multiclass.problem_type} or {Multilabel.problem_type}"
    )


def head_logits(outputs: Any) -> list[torch.Tensor]:
    """(N, C) logits of each head that learns: both of a distilled model, else the only one."""
    pair = [getattr(outputs, "cls_logits", None), getattr(outputs, "distillation_logits", None)]
    both = [logits for logits in pair if logits is not None]
    return both if len(both) == 2 else [outputs.logits]


def model_logits(outputs: Any) -> torch.Tensor:
    """(N, C) logits that decide: of a distilled model the mean of its two heads."""
    logits: torch.Tensor = outputs.logits
    return logits
