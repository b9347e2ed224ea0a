"""``model.train: probe``, which a solver fits: what belongs to training steps has no place beside it."""

from __future__ import annotations

import json
from typing import Any

from finetune.recipe.checks.found import Checks, Found
from finetune.recipe.sections import Augment, Optim, Recipe

NO_STEPS = (
    *(f"augment.{name}" for name in Augment.model_fields),
    *(
        f"optim.{name}"
        for name in Optim.model_fields
        if name not in ("layer_decay", "unfreeze_every_epochs", "ema_decay")
    ),
    "loss.label_smoothing",
    "model.drop_path",
    "model.activation_checkpointing",
    "model.compile",
    "evaluate.patience",
    "evaluate.every_steps",
    "evaluate.every_epochs",
    "evaluate.min_improvement",
    "run.max_minutes",
)
"""Keys of training steps, which a probe does not take. Three of optim have checks of their own."""

ALSO_SOUND = {"augment.preset": ("none",)}
"""Values that say what a probe does anyway."""


def _probe_steps(train: str, *values: Any) -> Found:
    """A probe is fitted by a solver: what says how a training step varies images, counts or moves has no effect."""
    for key, value in zip(NO_STEPS, values, strict=True):
        section, name = key.split(".")
        default = getattr(Recipe.model_fields[section].get_default(), name)
        found, sound = (json.loads(json.dumps(it)) for it in (value, [default, *ALSO_SOUND.get(key, ())]))
        if train == "probe" and found not in sound:
            why = "but with model.train probe a solver fits the head on features of unvaried images, and takes no steps"
            yield key, f"found {json.dumps(found)}, {why}; write {json.dumps(default)} here, or train: head"


def _probe_sampling(train: str, sampling: str) -> Found:
    if train == "probe" and sampling != "shuffled":
        why = "but with model.train probe the solver sees every image once"
        yield "data.sampling", f"found {sampling}, {why}; write shuffled, and loss.class_weights: balanced"


def _probe_loss(train: str, task: str, kind: str, class_weights: Any) -> Found:
    if train != "probe":
        return
    own = "cross_entropy" if task == "multiclass" else "binary_cross_entropy"
    if kind not in ("auto", own):
        yield "loss.kind", f"found {kind}, but with model.train probe it is {own}; write auto, or train: head"
    if class_weights == "effective_number":
        why = "but model.train probe knows class weights that are balanced or given"
        yield "loss.class_weights", f"found effective_number, {why}; write one of these, or train: head"
    elif class_weights is not None and task == "multilabel":
        why = "but with model.train probe and task multilabel each class is fitted by itself"
        yield "loss.class_weights", f"found {json.dumps(class_weights)}, {why}; write pos_weight, or null here"


def _probe(train: str, head: str, distill: Any, ema_decay: float | None) -> Found:
    if train != "probe":
        return
    if head != "new":
        yield "model.head", f"found {head}, but with model.train probe a solver fits the head; write head: new"
    if distill is not None:
        yield "distill", "a probe is fitted on the labels alone; write distill: null, or train: head"
    if ema_decay is not None:
        yield (
            "optim.ema_decay",
            f"found {ema_decay}, but a probe takes no steps that could be averaged; write null here",
        )


def _probe_metric(train: str, every: str, best_metric: str | None, space: Any) -> Found:
    """A sweep compares its trials by the metric, probes or not; every: never has a check of its own."""
    if train == "probe" and best_metric is not None and every != "never" and not space:
        why = "but with model.train probe there is one model, and none to pick"
        yield "evaluate.best_metric", f"found {best_metric}, {why}; write null here, or train: head"


CHECKS: Checks = {
    _probe_steps: ("model.train", *NO_STEPS),
    _probe_sampling: ("model.train", "data.sampling"),
    _probe_loss: ("model.train", "task", "loss.kind", "loss.class_weights"),
    _probe_metric: ("model.train", "evaluate.every", "evaluate.best_metric", "search.space"),
    _probe: ("model.train", "model.head", "distill", "optim.ema_decay"),
}
