"""What a run and a later evaluation have in common for a Python user."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from finetune.run_folder import ResultFolder


class Measured(ABC):
    """A folder with metrics and predictions.

    Args:
        folder: Where they are written.
    """

    def __init__(self, folder: ResultFolder) -> None:
        self.folder = folder

    @property
    def path(self) -> Path:
        """The folder."""
        return self.folder.path

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Metrics by split, with ``intervals``, as in ``run.metrics["validation"]["accuracy"]``."""
        return self.folder.read_metrics()

    @property
    @abstractmethod
    def task(self) -> str:
        """multiclass or multilabel."""

    @property
    def predictions(self) -> Iterator[dict[str, Any]]:
        """The lines of ``predictions.jsonl``, one at a time."""
        return self.folder.read_predictions()
