"""``loss`` and ``distill``."""

from __future__ import annotations

import json
from typing import Any

from finetune.recipe.checks.found import Checks, Found
from finetune.recipe.sections import Loss


def _loss_fits_task(kind: str, pos_weight: Any, task: str) -> Found:
    if task == "multiclass" and kind == "asymmetric":
        why = "but it weighs present against absent labels, and with task multiclass one is always present"
        yield "loss.kind", f"found asymmetric, {why}; write cross_entropy, binary_cross_entropy or focal"
    if task == "multilabel" and kind == "cross_entropy":
        why = "but a softmax lets labels compete, and with task multilabel several may be present"
        yield "loss.kind", f"found cross_entropy, {why}; write binary_cross_entropy, focal or asymmetric"
    if task == "multiclass" and pos_weight is not None:
        why = "but with task multiclass one label is always present"
        yield "loss.pos_weight", f"found {pos_weight}, {why}; write class_weights"


def _loss_keys_are_used(kind: str, gamma: float, gammas: Any, margin: float, class_weights: Any, beta: float) -> Found:
    """A default cannot be told from the same value written out, so only other values are refused."""
    plain = Loss()
    focuses = ("focal_gamma", gamma, "focal"), ("asymmetric_margin", margin, "asymmetric")
    for key, value, its_kind in (*focuses, ("asymmetric_gammas", tuple(gammas), "asymmetric")):
        if value != getattr(plain, key) and kind != its_kind:
            shown = list(value) if isinstance(value, tuple) else value
            yield f"loss.{key}", f"found {shown}, but loss.kind is {kind}; write kind: {its_kind}, or leave it out"
    if beta != plain.effective_number_beta and class_weights != "effective_number":
        why = "but loss.class_weights is not effective_number"
        yield (
            "loss.effective_number_beta",
            f"found {beta}, {why}; write class_weights: effective_number, or leave it out",
        )


def _balanced_once(class_weights: Any, pos_weight: Any, sampling: str) -> Found:
    """Rare classes are to be raised once, by one of three keys."""
    if sampling == "balanced" and isinstance(class_weights, str):
        why = "but data.sampling is balanced: rare classes would count twice over"
        yield "loss.class_weights", f"found {class_weights}, {why}; write one of the two"
    other = "data.sampling" if sampling == "balanced" else "loss.class_weights"
    if pos_weight == "balanced" and (sampling == "balanced" or isinstance(class_weights, str)):
        yield "loss.pos_weight", f"found balanced, but {other} raises rare classes too; write one of the two"


def _temperature(distill: Any) -> Found:
    if isinstance(distill, dict) and distill.get("temperature") is not None and distill.get("kind", "hard") == "hard":
        why = "but distill.kind is hard, which takes the teacher's decisions"
        yield "distill.temperature", f"found {distill['temperature']}, {why}; write kind: soft, or leave it out"


def _teacher_is_heard(distill: Any) -> Found:
    if isinstance(distill, dict) and distill.get("weight") == 0:
        why = "so the teacher would be asked and not heard"
        yield "distill.weight", f"found {distill['weight']}, {why}; write distill: null, or a weight above 0"


def _labels_are_heard(distill: Any, loss: Any) -> Found:
    """With all weight on the teacher a loss of the labels has none; only values that are no default can be told."""
    if not isinstance(distill, dict) or distill.get("weight") != 1 or not isinstance(loss, dict):
        return
    plain = Loss().model_dump(mode="json")
    for key, value in loss.items():
        if key in plain and value != plain[key]:
            why = "but distill.weight is 1, so the labels are not heard"
            yield f"loss.{key}", f"found {json.dumps(value)}, {why}; write a weight below 1, or leave it out"


CHECKS: Checks = {
    _loss_fits_task: ("loss.kind", "loss.pos_weight", "task"),
    _loss_keys_are_used: (
        "loss.kind",
        "loss.focal_gamma",
        "loss.asymmetric_gammas",
        "loss.asymmetric_margin",
        "loss.class_weights",
        "loss.effective_number_beta",
    ),
    _balanced_once: ("loss.class_weights", "loss.pos_weight", "data.sampling"),
    _temperature: ("distill",),
    _teacher_is_heard: ("distill",),
    _labels_are_heard: ("distill", "loss"),
}
