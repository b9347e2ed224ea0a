"""Several models as one: the mean of what they say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import torch

from finetune.errors import CheckpointError
from finetune.model.decision import Decision
from finetune.predict.predictor import Predictor
from finetune.predict.scoring import Forward, Precision

_TINY, _BELOW_ONE = np.finfo(np.float64).tiny, np.nextafter(1.0, 0.0)


class Ensemble(Predictor):
    """Averages the probabilities of several models, and predicts as one of them would.

    Args:
        members: Models of the same classes, task and preprocessing. Each one's temperatures are its own, tuned
            thresholds are the mean of all, and device, and what else a predictor has, are the first's.
    Raises:
        CheckpointError: classes, tasks or preprocessing differ.
    """

    def __init__(self, members: Sequence[Predictor]) -> None:
        first = members[0]
        for number, other in enumerate(members[1:], start=2):
            if (other.labels, other.task.name) != (first.labels, first.task.name):
                raise CheckpointError(
                    f"model {number} of the ensemble is {other.task.name} of {', '.join(other.labels.names)}, but the "
                    f"first is {first.task.name} of {', '.join(first.labels.names)}; their classes must be the same"
                )
            if other.pixels != first.pixels:
                raise CheckpointError(f"model {number} of the ensemble sees {other.pixels}, the first {first.pixels}")
        self.members = list(members)
        self.model, self.pixels, self.device = first.model, first.pixels, first.device
        self.labels, self.task, self.threshold, self.flip = first.labels, first.task, first.threshold, first.flip
        self.decision = _mean_decision(members)

    @contextmanager
    def forward(self, *, precision: Precision = "fp32", flip: bool | None = None) -> Iterator[Forward]:
        """As of `Predictor.forward`: float64 logits, which softmax or sigmoid turns into the mean of the members'
        probabilities."""
        with ExitStack() as stack:
            passes = [
                (member, stack.enter_context(member.forward(precision=precision, flip=flip))) for member in self.members
            ]

            def forward(batch: torch.Tensor) -> torch.Tensor:
                total = np.zeros((len(batch), len(self.labels)))
                for member, own in passes:
                    logits = own(batch).float().cpu().numpy()
                    total += self.task.probabilities(member.decision.calibrated(logits))
                return torch.from_numpy(logits_of(self.task.name, total / len(self.members)))

            yield forward


def _mean_decision(members: Sequence[Predictor]) -> Decision:
    """Thresholds for the mean of probabilities: the mean of the members'."""
    below = [member.decision.abstain_below for member in members]
    thresholds = None
    if any(member.decision.thresholds for member in members):
        rows = [np.broadcast_to(member.thresholds, len(member.labels)) for member in members]
        thresholds = tuple(map(float, np.mean(rows, axis=0)))
    return Decision(None, thresholds, float(np.mean([b or 0.0 for b in below])) if any(below) else None)


def logits_of(task_name: str, probabilities: np.ndarray) -> np.ndarray:
    """Logits that have these probabilities: their logarithms under a softmax, their log-odds under a sigmoid.

    Args:
        probabilities: (images, classes); a sigmoid's 0 and 1 become the nearest numbers between them.

    >>> logits_of("multilabel", np.array([[0.5, 1.0]])).round(2).tolist()
    [[0.0, 36.74]]
    """
    positive = np.maximum(np.asarray(probabilities, dtype=np.float64), _TINY)
    if task_name == "multiclass":
        return np.asarray(np.log(positive))
    within = np.minimum(positive, _BELOW_ONE)
    return np.asarray(np.log(within) - np.log1p(-within))
