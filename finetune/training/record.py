"""What was really used: versions, hardware, data, checkpoint, derived values."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from finetune.data import Splits
from finetune.model import LoadedModel
from finetune.model.lora import describe_adapters
from finetune.training.hardware import Hardware, describe

PACKAGES = (
    "deit-finetune",
    "torch",
    "transformers",
    "accelerate",
    "datasets",
    "evaluate",
    "scikit-learn",
    "numpy",
    "pillow",
)


class Phases:
    """Seconds per phase of a run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - began, 3)


def describe_start(hardware: Hardware, splits: Splits) -> dict[str, Any]:
    """What is known before the model is loaded."""
    return {
        "versions": {"python": platform.python_version(), **_versions()},
        "hardware": describe(hardware),
        "data": {**splits.source, "findings": splits.findings.as_dict()},
        "bad_images": [{"path": bad.path, "reason": bad.reason} for bad in splits.dropped],
    }


def describe_model(loaded: LoadedModel, attention: str) -> dict[str, Any]:
    """The checkpoint that was used and the sizes that follow from it."""
    parameters = list(loaded.model.parameters())
    return {
        "checkpoint": loaded.source,
        "attention": attention,
        "parameters": sum(parameter.numel() for parameter in parameters),
        "trained_parameters": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        **describe_adapters(loaded.model),
    }


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in PACKAGES}
