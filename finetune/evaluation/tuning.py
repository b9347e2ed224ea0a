"""Thresholds and temperatures from validation images, and what they gain: as they were fitted, and honestly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.evaluation.calibration import cross_fitted, fit_temperature, reliability
from finetune.evaluation.scored import Scored
from finetune.evaluation.thresholds import (
    cross_fitted_abstention,
    cross_fitted_thresholds,
    net,
    tune_abstention,
    tune_thresholds,
)
from finetune.metrics.classes import mean
from finetune.metrics.definitions import MULTICLASS
from finetune.metrics.scores import log_softmax, sigmoid
from finetune.model.decision import UNTUNED, Decision


@dataclass(frozen=True)
class Tuned:
    """What tuning on a split came to.

    Args:
        split: The images that tuned it, never test's.
        decision: To be saved with the model.
        report: As ``tuning.json`` has it: what was gained.
        thresholds: multilabel: (images, classes), each image's as the other folds give them; None where not tuned.
        abstain_below: multiclass: (images,), likewise.
        cross_fitted_logits: (images, classes), scaled by the temperatures of other folds; None where not calibrated.
    """

    split: str
    decision: Decision
    report: dict[str, Any] = field(default_factory=dict)
    thresholds: NDArray[np.float64] | None = None
    abstain_below: NDArray[np.float64] | None = None
    cross_fitted_logits: NDArray[np.float64] | None = None


def tune(scored: Scored, before: Decision, *, thresholds: bool, calibrate: bool) -> Tuned:
    """Tune a model's decision on a split.

    Args:
        scored: Validation images, with logits as the model gives them.
        before: The decision that the model has. What it has is tuned again on these images, so that each of them is
            judged by what the others gave, and the report says it all.
        thresholds: Tune a threshold for each class (multilabel), or one to abstain below (multiclass).
        calibrate: Fit temperatures.
    Returns:
        Nothing but ``before`` where an image's logits are not finite.
    """
    thresholds = thresholds or before.thresholds is not None or before.abstain_below is not None
    calibrate = calibrate or before.temperature is not None
    if not np.isfinite(scored.logits).all() or not len(scored.targets):
        return Tuned(scored.split, before)
    report: dict[str, Any] = {"split": scored.split, "images": len(scored.targets)}
    temperature, apart = None, None
    if calibrate:
        temperature = tuple(map(float, fit_temperature(scored.task, scored.logits, scored.targets)))
        apart = cross_fitted(scored.task, scored.logits, scored.targets, scored.together)
        report["calibration"] = _calibration_report(scored, Decision(temperature), apart)
    decision = Decision(temperature)
    if not thresholds:
        return Tuned(scored.split, decision, report, cross_fitted_logits=apart)
    logits = decision.calibrated(scored.logits)
    if scored.task == MULTICLASS:
        tuned, below = _tune_abstention(scored, logits, report)
        decision = Decision(temperature, None, tuned or None)
        return Tuned(scored.split, decision, report, abstain_below=below if tuned else None, cross_fitted_logits=apart)
    found = tune_thresholds(logits, scored.targets, scored.together)
    held_out = cross_fitted_thresholds(logits, scored.targets, scored.together)
    report["thresholds"] = _thresholds_report(scored, logits, found, held_out)
    decision = Decision(temperature, tuple(map(float, found)))
    return Tuned(scored.split, decision, report, thresholds=held_out, cross_fitted_logits=apart)


def _tune_abstention(scored: Scored, logits: NDArray[Any], report: dict[str, Any]) -> tuple[float, NDArray[np.float64]]:
    """The threshold, and each image's as the other folds give it."""
    known = scored.targets >= 0
    probabilities = np.exp(log_softmax(logits[known]))
    confidence, right = probabilities.max(axis=1), logits[known].argmax(axis=1) == scored.targets[known]
    together = None if scored.together is None else np.asarray(scored.together)[known]
    tuned = tune_abstention(confidence, right, together)
    held_out = cross_fitted_abstention(confidence, right, together)
    everything = np.ones(len(right), dtype=np.bool_)
    ways = {"untuned": everything, "fitted": confidence >= tuned, "cross_fitted": confidence >= held_out}
    report["abstaining"] = {
        "abstain_below": tuned or None,
        **{way: abstaining(decided, right) for way, decided in ways.items()},
    }
    below = np.full(len(known), tuned)
    below[known] = held_out
    return tuned, below


def abstaining(decided: NDArray[np.bool_], right: NDArray[np.bool_]) -> dict[str, Any]:
    """What a model that abstains does.

    Returns:
        ``decided``, the share of images that it answers; ``accuracy_of_decided``, the share of those that is right
        (None where it answers none); ``net``, right answers less wrong ones as a share of all images.

    >>> abstaining(np.array([True, True, False, False]), np.array([True, False, False, True]))
    {'decided': 0.5, 'accuracy_of_decided': 0.5, 'net': 0.0}
    """
    share = float(right[decided].mean()) if decided.any() else None
    return {"decided": float(decided.mean()), "accuracy_of_decided": share, "net": net(decided, right)}


def _thresholds_report(
    scored: Scored, logits: NDArray[Any], found: NDArray[np.float64], held_out: NDArray[np.float64]
) -> dict[str, Any]:
    """F1 at 0.5, at the thresholds as fitted, and with each image at thresholds of other folds."""
    probabilities, targets = sigmoid(logits), scored.targets
    ways: dict[str, Any] = {"untuned": UNTUNED, "fitted": found, "cross_fitted": held_out}
    f1 = {way: _f1_by_class(probabilities >= threshold, targets) for way, threshold in ways.items()}
    names = scored.labels.names
    rows = {
        name: {"threshold": float(found[i]), **{way: values[i] for way, values in f1.items()}}
        for i, name in enumerate(names)
    }
    return {"metric": "f1_macro", **{way: mean(values) for way, values in f1.items()}, "per_class": rows}


def _f1_by_class(decided: NDArray[np.bool_], targets: NDArray[Any]) -> list[float | None]:
    decided, present = decided & (targets >= 0), targets == 1
    hits, both = (decided & present).sum(axis=0), decided.sum(axis=0) + present.sum(axis=0)
    return [float(2 * hits[i] / both[i]) if present[:, i].any() else None for i in range(targets.shape[1])]


def _calibration_report(scored: Scored, decision: Decision, apart: NDArray[np.float64]) -> dict[str, Any]:
    """Expected calibration error before, after as fitted, and after with temperatures of other folds."""
    ways = {"untuned": scored.logits, "fitted": decision.calibrated(scored.logits), "cross_fitted": apart}
    ece = {
        way: reliability(scored.task, logits, scored.targets, scored.labels.names)["ece"]
        for way, logits in ways.items()
    }
    temperature = decision.temperature or ()
    named = temperature[0] if len(temperature) == 1 else dict(zip(scored.labels.names, temperature, strict=True))
    return {"metric": "ece", "temperature": named, **ece}
