"""Fine-tune DeiT and ViT image classifiers on your own classes.

>>> import finetune
>>> run = finetune.finetune("recipes/fridge_multiclass.yaml", **{"optim.epochs": 3})  # doctest: +SKIP
>>> run.metrics["validation"]["accuracy"]  # doctest: +SKIP

A name is imported when it is first used, so that ``import finetune`` costs nothing.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finetune import errors as errors
    from finetune.api import Folds as Folds
    from finetune.api import Run as Run
    from finetune.api import compare as compare
    from finetune.api import crossval as crossval
    from finetune.api import evaluate as evaluate
    from finetune.api import finetune as finetune
    from finetune.api import load_data as load_data
    from finetune.api import open_run as open_run
    from finetune.errors import FinetuneError as FinetuneError
    from finetune.labels import LabelSpace as LabelSpace
    from finetune.predict import Prediction as Prediction
    from finetune.predict import Predictor as Predictor
    from finetune.recipe import Recipe as Recipe
    from finetune.recipe import load_recipe as load_recipe

_HOME = {
    "FinetuneError": "finetune.errors",
    "Folds": "finetune.api",
    "LabelSpace": "finetune.labels",
    "Prediction": "finetune.predict",
    "Predictor": "finetune.predict",
    "Recipe": "finetune.recipe",
    "Run": "finetune.api",
    "compare": "finetune.api",
    "crossval": "finetune.api",
    "evaluate": "finetune.api",
    "finetune": "finetune.api",
    "load_data": "finetune.api",
    "load_recipe": "finetune.recipe",
    "open_run": "finetune.api",
}
__all__ = ["errors", *_HOME]


# On a CPU, a thread of torch's that waits for another spins for milliseconds before it sleeps. Where a core is shared
# with anything else (loader threads, a second program), the one waited for does not run, and training on small images
# was seen 100 times slower. Spinning for a fraction of that costs nothing on an idle machine.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "10000"


def __getattr__(name: str) -> Any:
    if name == "errors":
        return importlib.import_module("finetune.errors")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
