"""A finished cross-validation as a Python user holds it."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.api.run import Run
from finetune.labels import LabelSpace
from finetune.run_folder import read_members

if TYPE_CHECKING:
    from finetune.api.run_plots import FoldPlots
    from finetune.data import Splits


class Folds(Run):
    """A cross-validation: what its folds scored, and their models ready to predict together.

    ``metrics`` holds ``mean``, ``interval``, ``folds`` and ``out_of_fold``, and ``predictions`` a line for each image.
    """

    def __repr__(self) -> str:
        mean, interval = self.metrics["mean"], self.metrics["interval"]
        shown = [
            f"{name} {mean[name]:.3f} ± {(interval[name][1] - interval[name][0]) / 2:.3f}"
            for name in ("accuracy", "mAP")
            if mean.get(name) is not None
        ]
        return f"<Folds {self.folder}: {len(self.folds)} folds: {', '.join(shown)}>"

    @cached_property
    def folds(self) -> list[Run]:
        """The run of each fold; the fold is its test split."""
        return [Run(folder, self._device) for folder in read_members(self.path)]

    @cached_property
    def labels(self) -> LabelSpace:
        """The classes, the same in every fold."""
        return self.folds[0].labels

    @property
    def models(self) -> list[Path]:
        """The model folders that predict together."""
        return [fold.folder.model for fold in self.folds]

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """Nothing: each of ``folds`` has its own."""
        return []

    @cached_property
    def data(self) -> Splits:
        """All images, in the order of ``predictions``, as the split ``out_of_fold``; ``data.findings`` counts them and
        says how many each fold has. What a single fold was trained on is ``folds[0].data``."""
        from finetune.search.out_of_fold import whole_data

        return whole_data([fold.data for fold in self.folds])

    @property
    def plots(self) -> FoldPlots:
        """Pictures of all images, each as the model said that did not train on it: ``confusion_matrix()``,
        ``per_class()``, ``predictions()``, ``data()``. ``folds[0].plots`` draws a single fold."""
        from finetune.api.run_plots import FoldPlots

        return FoldPlots(self)
