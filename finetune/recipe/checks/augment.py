"""``augment``."""

from __future__ import annotations

import json
from typing import Any

from finetune.recipe.augmentation import choose_augmentation
from finetune.recipe.checks.found import Checks, Found
from finetune.recipe.sections import Augment


def _augment_keys_are_used(section: Any) -> Found:
    """Keys that shape a part of the augmentation that is off. Only values that are no default can be told."""
    augment = Augment.model_validate_json(json.dumps(section or {}))
    chosen, plain = choose_augmentation(augment), Augment()
    parts = {
        "rand_augment_operations": ("magnitude", "magnitude_std", "increasing", "probability"),
        "erasing": ("erasing_area",),
        "crop_scale": ("crop_ratio",),
    }
    for part, keys in parts.items():
        for key in keys if not getattr(chosen, part) else ():
            name = f"rand_augment_{key}" if part == "rand_augment_operations" else key
            if getattr(augment, name) != getattr(plain, name):
                off = f"but {part} is off{_by_whom(augment, part)}"
                yield f"augment.{name}", f"found {getattr(augment, name)}, {off}; set augment.{part}, or leave it out"
    if augment.mix_probability != plain.mix_probability and not (chosen.mixup_alpha or chosen.cutmix_alpha):
        why = "but neither mixup_alpha nor cutmix_alpha is above 0"
        yield "augment.mix_probability", f"found {augment.mix_probability}, {why}; set one of them, or leave it out"
    if augment.cutmix_share != plain.cutmix_share and not (chosen.mixup_alpha and chosen.cutmix_alpha):
        why = "but mixup_alpha and cutmix_alpha are not both above 0"
        yield "augment.cutmix_share", f"found {augment.cutmix_share}, {why}; set both, or leave it out"


def _by_whom(augment: Augment, part: str) -> str:
    return f" by preset {augment.preset}" if getattr(augment, part) is None else ""


CHECKS: Checks = {
    _augment_keys_are_used: ("augment",),
}
