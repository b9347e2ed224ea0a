"""softmax or sigmoid, decided once: loss, probabilities and decisions of a task.

A loss comes as a sum and a count of its terms. Whoever adds up over accumulation steps and processes
divides once, and gets what one large batch would have given. Weights of classes change the sum and never the
count, which stays images (multiclass) or known cells (multilabel).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch

from finetune.errors import CheckpointError
from finetune.model import losses
from finetune.model.class_weights import Numbers, choose_class_weights, choose_pos_weight
from finetune.pixels.constants import on_device

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from finetune.labels import LabelSpace
    from finetune.recipe.sections import Loss, Recipe

ProblemType = Literal["single_label_classification", "multi_label_classification"]


@dataclass(frozen=True)
class Task:
    """What is learnt.

    Args:
        label_smoothing: Share of the target that is spread evenly, in [0, 1).
        class_weights: How much each class counts; None for 1.
    """

    label_smoothing: float = 0.0
    class_weights: Numbers | None = None

    name: ClassVar[Literal["multiclass", "multilabel"]]
    problem_type: ClassVar[ProblemType]

    def loss_sum(self, outputs: Any, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """The loss summed over what ``count`` counts, in float32.

        Args:
            outputs: The model's, with ``logits`` (N, C); where it has two heads (``cls_logits`` and
                ``distillation_logits``), both learn and the mean of their losses counts.
            targets, weights: As of ``logits_loss_sum``.
        """
        heads = [self.logits_loss_sum(logits, targets, weights) for logits in head_logits(outputs)]
        return torch.stack(heads).mean()

    def logits_loss_sum(self, logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """The loss of one head's logits, summed over what ``count`` counts, in float32.

        Args:
            logits: (N, C), of any precision.
            targets: multiclass: (N,) class ids, -1 where nobody knows, or (N, C) shares of the classes that add up to
                1, as blended images have. multilabel: (N, C), 1 present, 0 absent, -1 nobody knows; floating-point
                numbers between 0 and 1 are blends.
            weights: (N,), 1 for an image, 0 for padding.
        """
        raise NotImplementedError

    def count(self, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """How many terms the sum has: images (multiclass) or known cells (multilabel); float32 scalar."""
        return self.known(targets, weights).sum()

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """(N, C) float64 probabilities of (N, C) logits."""
        raise NotImplementedError

    def decisions(self, probabilities: np.ndarray, threshold: float | np.ndarray = 0.5) -> np.ndarray:
        """(N,) int64 class ids, or (N, C) int8 with 1 from the threshold up."""
        raise NotImplementedError

    def known(self, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """The weight of each term, (N,) images or (N, C) cells: 0 for padding and where nobody knows; float32."""
        raise NotImplementedError


@dataclass(frozen=True)
class Multiclass(Task):
    """One label an image, and a softmax, whichever loss trained it.

    An image counts as its class does; a blend, as the mean of its classes by their shares.
    """

    loss: losses.MulticlassLoss = losses.cross_entropy

    name = "multiclass"
    problem_type = "single_label_classification"

    def logits_loss_sum(self, logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        known = self.known(targets, weights)
        shares = targets.float() if targets.ndim == 2 else self._one_hot(targets, known, logits.shape[1])
        if self.class_weights is not None:
            # no matrix product: autocast would make it bf16
            known = known * (shares * on_device(self.class_weights, logits.device)).sum(dim=1)
        return self.loss(logits.float(), shares, self.label_smoothing).mul(known).sum()

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Softmax over the classes.

        >>> Multiclass().probabilities(np.array([[7.0], [-3.0]])).tolist()
        [[1.0], [1.0]]
        """
        shifted = np.asarray(logits, dtype=np.float64)
        powers = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True))

    def decisions(self, probabilities: np.ndarray, threshold: float | np.ndarray = 0.5) -> np.ndarray:
        return np.asarray(np.asarray(probabilities).argmax(axis=-1), dtype=np.int64)

    def known(self, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return weights.float() if targets.ndim == 2 else weights.float() * (targets >= 0)

    @staticmethod
    def _one_hot(ids: torch.Tensor, known: torch.Tensor, classes: int) -> torch.Tensor:
        return torch.nn.functional.one_hot(ids.long().masked_fill(known == 0, 0), classes).float()


@dataclass(frozen=True)
class Multilabel(Task):
    """Any number of labels an image, a sigmoid for each, cells that nobody knows left out.

    Args:
        pos_weight: How much a present label counts against an absent one, for each class; None for 1.
    """

    loss: losses.MultilabelLoss = losses.binary_cross_entropy
    pos_weight: Numbers | None = None

    name = "multilabel"
    problem_type = "multi_label_classification"

    def logits_loss_sum(self, logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        counts = self.known(targets, weights)
        if self.class_weights is not None:
            counts = counts * on_device(self.class_weights, logits.device)
        share = losses.smooth(targets.float().clamp(min=0.0), self.label_smoothing, outcomes=2)
        present, absent = share * counts, (1.0 - share) * counts
        if self.pos_weight is not None:
            present = present * on_device(self.pos_weight, logits.device)
        return self.loss(logits.float(), present, absent).sum()

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Sigmoid of each logit, without overflow at either end.

        >>> Multilabel().probabilities(np.array([[0.0, -1000.0, 1000.0]])).tolist()
        [[0.5, 0.0, 1.0]]
        """
        values = np.asarray(logits, dtype=np.float64)
        small = np.exp(-np.abs(values))
        return np.where(values >= 0, 1.0, small) / (1.0 + small)

    def decisions(self, probabilities: np.ndarray, threshold: float | np.ndarray = 0.5) -> np.ndarray:
        return (np.asarray(probabilities) >= threshold).astype(np.int8)

    def known(self, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return (targets >= 0) * weights.float().unsqueeze(1)


def choose_task(recipe: Recipe, labels: LabelSpace | None = None, truth: np.ndarray | None = None) -> Task:
    """The task that a recipe asks for.

    Args:
        labels: The classes; needed where the recipe gives them weights.
        truth: Targets of the training images, as ``finetune.data.targets`` gives them; needed where weights are
            balanced.
    Raises:
        RecipeError: a weight is given to a class that does not exist.
        ValueError: labels or truth are missing and needed.
    """
    smoothing, weights = recipe.loss.label_smoothing, choose_class_weights(recipe.loss, labels, truth)
    if recipe.task == "multiclass":
        return Multiclass(smoothing, weights, _multiclass_loss(recipe.loss))
    return Multilabel(smoothing, weights, _multilabel_loss(recipe.loss), choose_pos_weight(recipe.loss, labels, truth))


def _multiclass_loss(loss: Loss) -> losses.MulticlassLoss:
    kinds: dict[str, losses.MulticlassLoss] = {
        "auto": losses.cross_entropy,
        "cross_entropy": losses.cross_entropy,
        "binary_cross_entropy": losses.each_class_alone,
        "focal": partial(losses.focal, gamma=loss.focal_gamma),
    }
    return kinds[loss.kind]


def _multilabel_loss(loss: Loss) -> losses.MultilabelLoss:
    kinds: dict[str, losses.MultilabelLoss] = {
        "auto": losses.binary_cross_entropy,
        "binary_cross_entropy": losses.binary_cross_entropy,
        "focal": partial(losses.binary_focal, gamma=loss.focal_gamma),
        "asymmetric": partial(losses.asymmetric, gammas=loss.asymmetric_gammas, margin=loss.asymmetric_margin),
    }
    return kinds[loss.kind]


def saved_task(config: PretrainedConfig) -> Task:
    """The task that a saved model was trained for, with the plain loss.

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
