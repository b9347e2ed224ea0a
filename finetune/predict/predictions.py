"""What is said of an image: probabilities of all classes and the labels that are decided on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.labels import LabelSpace
from finetune.metrics.definitions import MULTICLASS

if TYPE_CHECKING:
    from finetune.model import Task


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image.

    Args:
        path: Where the image came from, or None for one that was given as pixels or bytes.
        predicted: The label (multiclass; none where the model was tuned to abstain and does), or every label from the
            threshold up (multilabel; may be none).
        probabilities: Of every class, the most probable first. They add up to 1 for multiclass only.

    >>> Prediction("1.jpg", ["can"], {"can": 0.9, "carton": 0.1}).top(1)
    [('can', 0.9)]
    """

    path: str | None
    predicted: list[str]
    probabilities: dict[str, float]

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The ``k`` most probable classes, or all where there are fewer."""
        return list(islice(self.probabilities.items(), k))

    def ranked(self) -> list[dict[str, Any]]:
        """All classes as Azure's model cards show them, best first; a broken model's score that is no number is None.

        >>> Prediction(None, ["can"], {"can": 0.75, "carton": 0.25}).ranked()
        [{'label': 'can', 'score': 0.75}, {'label': 'carton', 'score': 0.25}]
        """
        return [
            {"label": name, "score": score if math.isfinite(score) else None}
            for name, score in self.probabilities.items()
        ]


def predictions_of(
    logits: np.ndarray,
    paths: Iterable[str | None],
    labels: LabelSpace,
    task: Task,
    threshold: float | np.ndarray,
    abstain_below: float | np.ndarray = 0.0,
) -> Iterator[Prediction]:
    """One `Prediction` per row of (images, classes) calibrated logits. A row that is not finite predicts nothing.

    Args:
        threshold: Probability from which a label is predicted (multilabel); also (classes,) or (images, classes).
        abstain_below: Highest probability below which nothing is (multiclass); also (images,).
    """
    probabilities = task.probabilities(logits)
    decisions = task.decisions(probabilities, threshold)
    below = np.broadcast_to(abstain_below, len(probabilities))
    for path, row, decision, least in zip(paths, probabilities, decisions, below, strict=True):
        ids = np.flatnonzero(decision == 1) if decisions.ndim == 2 else [decision] if row.max() >= least else []
        predicted = [labels.name(int(class_id)) for class_id in ids] if np.isfinite(row).all() else []
        ranked = np.argsort(-row, kind="stable")
        yield Prediction(path, predicted, {labels.name(int(i)): float(row[i]) for i in ranked})


def prediction_rows(
    split: str,
    paths: Iterable[str],
    targets: np.ndarray,
    logits: np.ndarray,
    labels: LabelSpace,
    task: Task,
    threshold: float | np.ndarray,
    abstain_below: float | np.ndarray = 0.0,
    together: np.ndarray | None = None,
) -> Iterator[dict[str, Any]]:
    """The lines of ``predictions.jsonl`` for one split, as they are needed.

    Args:
        paths: One per image.
        targets: multiclass: (images,) class ids; multilabel: (images, classes), 1 present, 0 absent, -1 unknown.
        logits: (images, classes), calibrated.
        threshold, abstain_below: As of `predictions_of`.
        together: (images,) numbers of groups; images of one number show the same thing. None where each is its own.
    Returns:
        ``{"split", "path", "true", "predicted", "probabilities"}``; ``"unknown"`` where a label is; ``"group"`` where
        another image of the split has the same.
    """
    said = predictions_of(logits, paths, labels, task, threshold, abstain_below)
    for prediction, target, group in zip(said, targets, _groups(together, len(targets)), strict=True):
        line: dict[str, Any] = {
            "split": split,
            "path": prediction.path,
            "true": _names(labels, target, 1),
            "predicted": prediction.predicted,
            "probabilities": prediction.probabilities,
        }
        unknown = _names(labels, target, -1)
        line |= {"unknown": unknown} if unknown else {}
        yield line if group is None else {**line, "group": group}


def most_probable(row: Mapping[str, Any], task: str) -> list[str]:
    """The labels of a line of ``predictions.jsonl``; of one label an image the most probable, also where the model
    abstains."""
    return list(row["predicted"]) or ([next(iter(row["probabilities"]))] if task == MULTICLASS else [])


def is_right(row: Mapping[str, Any]) -> bool:
    """Whether a line of ``predictions.jsonl`` predicts what is true, as far as that is known."""
    return set(row["predicted"]) - set(row.get("unknown", ())) == set(row["true"])


def how_sure(row: Mapping[str, Any], task: str) -> float:
    """How far a line of ``predictions.jsonl`` of a task commits itself: in [0, 1].

    Multiclass: the highest probability. Multilabel, where each label is a decision with a certainty of its own: that of
    the surest wrong decision, or, where all are right, that of the least sure one.
    """
    if task == MULTICLASS:
        return max((value or 0.0 for value in row["probabilities"].values()), default=0.0)
    sure = {name: max(value or 0.0, 1 - (value or 0.0)) for name, value in row["probabilities"].items()}
    wrong = (set(row["predicted"]) ^ set(row["true"])) - set(row.get("unknown", ()))
    return max((sure[name] for name in wrong), default=min(sure.values(), default=0.0))


def _groups(together: np.ndarray | None, images: int) -> list[int | None]:
    """Each image's group, None where it is alone in it.

    >>> _groups(np.array([4, 7, 4]), 3)
    [4, None, 4]
    """
    if together is None:
        return [None] * images
    counts = Counter(together.tolist())
    return [group if counts[group] > 1 else None for group in together.tolist()]


def _names(labels: LabelSpace, target: np.ndarray, value: int) -> list[str]:
    """Labels that a target says are present (1) or unknown (-1)."""
    if target.ndim == 0:
        known = int(target) >= 0
        return [labels.name(int(target))] if known and value == 1 else []
    return [labels.name(int(class_id)) for class_id in np.flatnonzero(target == value)]
