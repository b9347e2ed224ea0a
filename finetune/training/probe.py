"""``model.train: probe``: the encoder stays as it is, and a solver fits the head on features that are computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate import PartialState
from torch import nn

from finetune.data import targets
from finetune.labels import LabelSpace
from finetune.model import LoadedModel, load_with_new_head, set_attention, set_trainable
from finetune.model.head import find_heads
from finetune.predict import logits_of
from finetune.recipe import Recipe
from finetune.training.arguments import best_metric
from finetune.training.feature_cache import Features, attention_of, features_of
from finetune.training.linear_head import LinearHead, Search, Weighting, fit_head
from finetune.training.processes import from_main, main_first
from finetune.training.record import describe_model

if TYPE_CHECKING:
    from finetune.training.work import Work


def fit_probe(work: Work) -> LoadedModel:
    """The model with a fitted head; called by all processes.

    They encode together, and the main one fits. Features have the arithmetic of the final metrics, whatever
    ``run.precision`` is: a head that was fitted on bf16 features loses accuracy on fp32 ones.
    There is nothing to resume: a run that was killed finds the features in the cache and fits again.
    """
    recipe, attention = work.recipe, attention_of(work.recipe)
    with work.phases("model"), main_first():
        loaded = load_with_new_head(recipe, work.splits.labels, work.task)
    set_attention(loaded.model, attention)
    set_trainable(loaded.model, recipe.model)
    loaded.model.to(PartialState().device)
    work.note({**describe_model(loaded, attention), "derived": {"best_metric": best_metric(recipe)}})
    work.say_preprocessing(loaded)
    with work.phases("encoding"):
        features = probe_features(work, loaded, "train")
    with work.phases("training"):
        fitted = from_main(lambda: _fit(work, loaded, features))
    for name, head in find_heads(loaded.model).items():
        _put(fitted[name], head)
    _note(work, features, fitted)
    return loaded


def probe_features(work: Work, loaded: LoadedModel, split: str) -> Features:
    """Features of a split, computed or found."""
    device = next(loaded.model.parameters()).device
    return features_of(
        loaded,
        work.splits.datasets[split],
        work.splits.contents[split],
        work.hardware,
        batch_size=work.images_per_pass(device),
        device=device,
        precision=work.recipe.evaluate.precision,
    )


def probe_logits(work: Work, saved: LoadedModel, split: str) -> np.ndarray:
    """Logits that the saved model gives for a split, to rounding: its encoder's features through its heads."""
    precision = work.recipe.evaluate.precision
    features = probe_features(work, saved, split)
    device = next(saved.model.parameters()).device
    size = work.images_per_pass(device)
    return logits_of(saved.model, features.heads, batch_size=size, device=device, precision=precision)


def weightings(recipe: Recipe, labels: LabelSpace) -> list[Weighting]:
    """``loss.class_weights`` or ``loss.pos_weight`` as the solver takes them: for the classes, or one for each.

    Raises:
        DataError: a class is named that does not exist.
    """
    if recipe.task == "multiclass":
        given = recipe.loss.class_weights
        return [dict.fromkeys(range(len(labels)), 1.0) | _by_id(given, labels) if isinstance(given, dict) else given]
    present = recipe.loss.pos_weight
    if isinstance(present, dict):
        named = _by_id(present, labels)
        return [{0: 1.0, 1: named.get(i, 1.0)} for i in range(len(labels))]
    return [{0: 1.0, 1: present} if isinstance(present, float) else present] * len(labels)


def _by_id(weights: dict[str, float], labels: LabelSpace) -> dict[int, float]:
    return {labels.id(name): weight for name, weight in weights.items()}


def _fit(work: Work, loaded: LoadedModel, features: Features) -> dict[str, LinearHead]:
    probe, truth = work.recipe.model.probe, targets(work.splits.datasets["train"])
    search = Search(probe.folds, probe.strengths, work.recipe.run.seed)
    weighting, classes = weightings(work.recipe, work.splits.labels), len(work.splits.labels)
    together = work.splits.together("train")
    return {
        name: fit_head(features.heads[name], truth, classes, search, weighting, head.bias is not None, together)
        for name, head in find_heads(loaded.model).items()
    }


@torch.no_grad()
def _put(fitted: LinearHead, head: nn.Linear) -> None:
    head.weight.copy_(torch.from_numpy(fitted.weight))
    if head.bias is not None:
        head.bias.copy_(torch.from_numpy(fitted.bias))


def _note(work: Work, features: Features, fitted: dict[str, LinearHead]) -> None:
    """Say and record what was chosen."""
    images, seconds = len(work.splits.datasets["train"]), work.phases.seconds["encoding"]
    heads = {name: _described(head, features.heads[name]) for name, head in fitted.items()}
    probe = {"cached": features.cached, "precision": work.recipe.evaluate.precision, "heads": heads}
    speed = None if features.cached else round(images / max(seconds, 1e-3), 2)
    work.note({"probe": probe, "best": {"step": 0}, "images_per_second": speed})
    found = "found in the cache" if features.cached else f"encoded in {seconds:.1f} s"
    work.console.print(f"{images} images {found}; {strengths_of(heads)}", markup=False)


def _described(head: LinearHead, features: np.ndarray) -> dict[str, Any]:
    return {
        "features": list(features.shape),
        "C": head.strength,
        "log_losses": {f"{c:.4g}": loss for c, loss in head.log_losses.items()},
        "converged": head.converged,
    }


def strengths_of(heads: dict[str, Any]) -> str:
    """What was chosen for each head, in words.

    >>> strengths_of({"classifier": {"C": 0.0464, "log_losses": {"0.0464": 0.31}}})
    'classifier fitted with C 0.0464 (held-out log loss 0.3100)'
    """
    said = []
    for name, head in heads.items():
        loss = min(head["log_losses"].values(), default=None)
        said.append(f"{name} fitted with C {head['C']:.4g}{'' if loss is None else f' (held-out log loss {loss:.4f})'}")
    return ", ".join(said)
