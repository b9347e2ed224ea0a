"""Whether two predictors say the same, on real images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from finetune.data import load_splits
from finetune.data.bundled import bundled_root
from finetune.errors import CheckpointError, FinetuneError
from finetune.predict import Predictor
from finetune.run_folder import RunFolder

_MOST_IMAGES = 256


@dataclass(frozen=True)
class Samples:
    """Images to compare on, and where they come from."""

    images: Any
    source: str


@dataclass(frozen=True)
class Agreement:
    """How much two predictors differ.

    Args:
        images: How many they were compared on.
        source: Where these come from.
        largest_difference: Of a probability.
        decisions: Share of images with the same predicted labels.
    """

    images: int
    source: str
    largest_difference: float
    decisions: float

    def __str__(self) -> str:
        return (
            f"against the run itself on {self.images} images ({self.source}): largest difference of a probability "
            f"{self.largest_difference:.2g}, {self.decisions:.1%} of the decisions the same"
        )


@dataclass(frozen=True)
class Limits:
    """What a model may differ by: the largest difference of a probability, and the share of equal decisions."""

    difference: float
    decisions: float

    def hold(self, found: Agreement, what: str, advice: str) -> None:
        """Refuse what differs by more, or says what is no number.

        Raises:
            CheckpointError: says that ``what`` is not accepted, why, and the advice.
        """
        if not (found.largest_difference <= self.difference and found.decisions >= self.decisions):
            raise CheckpointError(
                f"{what} is not accepted: {found}; allowed are a difference of {self.difference:g} and "
                f"{self.decisions:.0%} of the decisions; {advice}"
            )


def samples_of(run: RunFolder, most: int = _MOST_IMAGES) -> Samples:
    """Held-out images of a run, evenly spaced; bundled digits where they cannot be read any more."""
    try:
        data = load_splits(run.read_recipe_from_anywhere())
        for split in ("test", "validation", "train"):
            if split in data.datasets and len(data.datasets[split]):
                return Samples(
                    data.datasets[split].select(_spaced(len(data.datasets[split]), most)), f"the run's {split}"
                )
    except FinetuneError:
        pass  # moved or deleted: any photographs show whether two programs compute the same
    files = sorted(bundled_root("digits").rglob("*.png"))
    return Samples([files[i] for i in _spaced(len(files), most)], "bundled digits, as the run's images cannot be read")


def agreement(one: Predictor, other: Predictor, images: Samples) -> Agreement:
    """Compare what two predictors say of the same images."""
    said = [predictor.logits(images.images) for predictor in (one, other)]
    probabilities = [
        p.task.probabilities(p.decision.calibrated(rows)) for p, rows in zip((one, other), said, strict=True)
    ]
    count = len(said[0])
    decided = [
        [row.predicted for row in p.said(rows, [None] * count)] for p, rows in zip((one, other), said, strict=True)
    ]
    return Agreement(
        images=count,
        source=images.source,
        largest_difference=float(np.abs(probabilities[0] - probabilities[1]).max()),
        decisions=sum(a == b for a, b in zip(*decided, strict=True)) / count,
    )


def _spaced(count: int, most: int) -> list[int]:
    return sorted(set(np.linspace(0, count - 1, min(count, most)).astype(int).tolist()))
