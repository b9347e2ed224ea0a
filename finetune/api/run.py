"""A finished run as a Python user holds it."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from finetune.api.measured import Measured
from finetune.labels import LabelSpace
from finetune.recipe import Recipe
from finetune.run_folder import RunFolder

if TYPE_CHECKING:
    from finetune.api.run_plots import RunPlots
    from finetune.data import Splits
    from finetune.plots import Drawing
    from finetune.predict import ManyImages, OneImage, Precision, Prediction, Predictor


class Run(Measured):
    """A finished run: what it scored, and its model ready to predict.

    Args:
        folder: The run folder.
        device: Where to predict; by default the GPU where there is one, else the CPU.
    """

    folder: RunFolder

    def __init__(self, folder: RunFolder, device: str | None = None) -> None:
        super().__init__(folder)
        self._device = device

    def __repr__(self) -> str:
        scores = (self.metrics if self.folder.metrics.exists() else {}).get("validation") or {}
        shown = [f"{name} {scores[name]:.3f}" for name in ("accuracy", "mAP") if scores.get(name) is not None]
        return f"<Run {self.folder}{': validation ' if shown else ''}{', '.join(shown)}>"

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """The evaluations during training, oldest first."""
        return self.folder.read_history()

    @cached_property
    def labels(self) -> LabelSpace:
        """The classes, in the order of the model's outputs."""
        config = json.loads((self.folder.model / "config.json").read_text(encoding="utf-8"))
        names: dict[str, str] = config["id2label"]
        return LabelSpace(tuple(names[key] for key in sorted(names, key=int)))

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe that was carried out, overrides and fallback included."""
        return self.folder.read_recipe()

    @property
    def task(self) -> str:
        """multiclass or multilabel."""
        return self.recipe.task

    @cached_property
    def record(self) -> dict[str, Any]:
        """Versions, hardware, data, seconds: what was really used and done."""
        return self.folder.read_record()

    # ------------------------------------------------------------ predicting

    @cached_property
    def predictor(self) -> Predictor:
        """The saved model, loaded when it is first needed."""
        from finetune.predict import Predictor

        evaluate = self.recipe.evaluate
        return Predictor(self.folder.model, threshold=evaluate.threshold, flip=evaluate.flip, device=self._device)

    def predict(
        self,
        images: ManyImages,
        *,
        precision: Precision = "fp32",
        batch_size: int | None = None,
        flip: bool | None = None,
    ) -> list[Prediction]:
        """What is on images, one `Prediction` each; arguments as of `finetune.Predictor.predict`."""
        return self.predictor.predict(images, precision=precision, batch_size=batch_size, flip=flip)

    # ------------------------------------------------------------ looking

    @cached_property
    def data(self) -> Splits:
        """The splits of this run, read again from where they were."""
        from finetune.data import load_splits

        return load_splits(self.folder.read_recipe_from_anywhere())

    @property
    def plots(self) -> RunPlots:
        """Pictures: ``curves()``, ``confusion_matrix()``, ``per_class()``, ``predictions()``, ``data()``."""
        from finetune.api.run_plots import RunPlots

        return RunPlots(self)

    def show(self, image: OneImage) -> Drawing:
        """An image beside the probabilities of its classes."""
        return self.plots.image(image)
