"""What a model said of a split, and what is true: what everything in this package starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from finetune.labels import LabelSpace


@dataclass(frozen=True)
class Scored:
    """The scores of a split.

    Args:
        split: Its name.
        task: multiclass or multilabel.
        labels: The classes, in the order of the logits.
        paths: One per image.
        logits: (images, classes) as the model gives them, before any temperature.
        targets: As of `finetune.metrics.score_metrics`.
        together: (images,) numbers; images of one number show the same thing, and are tuned and measured in one fold.
            None where nothing is known of that.
    """

    split: str
    task: Literal["multiclass", "multilabel"]
    labels: LabelSpace
    paths: Sequence[str]
    logits: NDArray[Any]
    targets: NDArray[Any]
    together: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def with_logits(self, logits: NDArray[Any]) -> Scored:
        """The same images with other logits."""
        return replace(self, logits=logits)
