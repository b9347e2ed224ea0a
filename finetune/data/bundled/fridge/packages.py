"""The four kinds of things to tell apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from finetune.data.bundled.fridge.bottles import milk_bottle, water_bottle
from finetune.data.bundled.fridge.build import Build
from finetune.data.bundled.fridge.can import can
from finetune.data.bundled.fridge.carton import carton
from finetune.data.bundled.fridge.thing import Thing

PACKAGES: dict[str, Callable[[Build, np.random.Generator], Thing]] = {
    "can": can,
    "carton": carton,
    "milk_bottle": milk_bottle,
    "water_bottle": water_bottle,
}
