"""``model``, and what learns."""

from __future__ import annotations

import json
from typing import Any

from finetune.recipe.checks.found import Checks, Found
from finetune.recipe.sections import Model, Preprocessing


def _train_keys_are_used(train: str, blocks: int, lora: Any, probe: Any) -> Found:
    """Keys of one way to train beside another; only values that are no default can be told."""
    plain = Model().model_dump(mode="json")
    given = {"train_blocks": blocks}
    for key, section in (("lora", lora), ("probe", probe)):
        given |= {f"{key}.{name}": value for name, value in (section.items() if isinstance(section, dict) else ())}
    for key, value in given.items():
        section, _, name = key.partition(".")
        way = section if name else "last_n_blocks"
        if train != way and value != (plain[section][name] if name else plain[section]):
            yield f"model.{key}", f"found {value}, but model.train is {train}; write {way}, or leave it out"


def _what_learns(train: str, layer_decay: float | None, unfreeze: float | None) -> Found:
    if layer_decay is not None and train == "lora":
        why = "but with model.train lora the adapters of all blocks learn at one rate"
        yield "optim.layer_decay", f"found {layer_decay}, {why}; write null here"
    elif layer_decay is not None and train not in ("all", "last_n_blocks"):
        yield "optim.layer_decay", f"found {layer_decay}, but with model.train {train} no block learns; write null here"
    if unfreeze is not None and train != "all":
        why = f"but model.train is {train}, which says what learns from first to last"
        yield "optim.unfreeze_every_epochs", f"found {unfreeze}, {why}; write train: all, or null here"


def _drawn_weights(weights: str, head: str, train: str) -> Found:
    """A probe of drawn features is accepted: it is the baseline that others are compared with."""
    if weights == "random" and head != "new":
        yield "model.head", f"found {head}, but with model.weights random there is no head to take; write head: new"
    if weights == "random" and train in ("head", "last_n_blocks", "lora"):
        why = "but with model.weights random all that does not learn stays as it was drawn, and knows nothing"
        yield "model.train", f"found {train}, {why}; write all (or probe, as a baseline), or weights: pretrained"


def _image_size(size_px: int | None, preprocessing: Any) -> Found:
    if size_px is None or isinstance(preprocessing, str):
        return
    spelled = Preprocessing.model_validate_json(json.dumps(preprocessing))
    gives = spelled.crop_px or spelled.resize_px
    if gives != size_px:
        why = f"but model.preprocessing gives images of {gives} px"
        yield "model.image_size_px", f"found {size_px}, {why}; write the same in both"


CHECKS: Checks = {
    _train_keys_are_used: ("model.train", "model.train_blocks", "model.lora", "model.probe"),
    _what_learns: ("model.train", "optim.layer_decay", "optim.unfreeze_every_epochs"),
    _drawn_weights: ("model.weights", "model.head", "model.train"),
    _image_size: ("model.image_size_px", "model.preprocessing"),
}
