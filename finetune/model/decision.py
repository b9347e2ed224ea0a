"""How a saved model decides: what was tuned on its validation images, in ``decision.json`` beside its weights.

A folder without the file decides as ever: by the most probable class, or by a probability of 0.5.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finetune.errors import CheckpointError
from finetune.labels import LabelSpace

FILE = "decision.json"
UNTUNED = 0.5


@dataclass(frozen=True)
class Decision:
    """Temperatures and thresholds, all of them optional.

    Args:
        temperature: What logits are divided by: one number for a softmax, one for each class under sigmoids.
        thresholds: multilabel: for each class the probability, after the temperature, from which it is predicted.
        abstain_below: multiclass: with a highest probability, after the temperature, below this nothing is predicted.

    >>> Decision(temperature=(2.0, 1.0)).calibrated(np.array([[4.0, 4.0]])).tolist()
    [[2.0, 4.0]]
    """

    temperature: tuple[float, ...] | None = None
    thresholds: tuple[float, ...] | None = None
    abstain_below: float | None = None

    def calibrated(self, logits: np.ndarray) -> np.ndarray:
        """Logits (images, classes) divided by the temperature; as they are where there is none."""
        if self.temperature is None:
            return logits
        return np.asarray(logits / np.asarray(self.temperature, dtype=np.float64))

    @property
    def says_something(self) -> bool:
        """Whether anything is to be saved."""
        return any(part is not None for part in (self.temperature, self.thresholds, self.abstain_below))


def write_decision(folder: Path, decision: Decision, labels: LabelSpace, tuned_on: Mapping[str, Any]) -> None:
    """Save a decision with a model; where it says nothing, an earlier one is deleted.

    Args:
        folder: The model's.
        labels: The classes that the numbers belong to, in order.
        tuned_on: For people: which split, how many images.
    """
    if not decision.says_something:
        (folder / FILE).unlink(missing_ok=True)
        return
    temperature: Any = decision.temperature
    if temperature is not None:
        temperature = temperature[0] if len(temperature) == 1 else dict(zip(labels.names, temperature, strict=True))
    thresholds = decision.thresholds
    content = {
        "temperature": temperature,
        "thresholds": None if thresholds is None else dict(zip(labels.names, thresholds, strict=True)),
        "abstain_below": decision.abstain_below,
        "tuned_on": dict(tuned_on),
    }
    part = folder / f".{FILE}.part"
    part.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    part.replace(folder / FILE)


def read_decision(folder: Path, labels: LabelSpace) -> Decision:
    """What is saved with a model; nothing tuned where there is no file.

    Raises:
        CheckpointError: the file is damaged, or speaks of other classes.
    """
    path = folder / FILE
    if not path.is_file():
        return Decision()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        temperature, thresholds, below = (content[key] for key in ("temperature", "thresholds", "abstain_below"))
        return Decision(
            (float(temperature),) if isinstance(temperature, int | float) else _by_name(temperature, labels),
            _by_name(thresholds, labels),
            None if below is None else float(below),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: is no decision for the classes {', '.join(labels.names[:5])} ({type(error).__name__}: {error}); "
            "write it anew by deit-finetune evaluate RUN --tune-thresholds, or delete it to decide untuned"
        ) from error


def _by_name(numbers: Mapping[str, float] | None, labels: LabelSpace) -> tuple[float, ...] | None:
    if numbers is None:
        return None
    if set(numbers) != set(labels.names):
        raise ValueError(f"it names {', '.join(list(numbers)[:5])}")
    return tuple(float(numbers[name]) for name in labels.names)
