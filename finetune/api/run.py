"""A finished run as a Python user holds it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.api.measured import Measured
from finetune.errors import FinetuneError
from finetune.labels import LabelSpace
from finetune.recipe import Recipe
from finetune.recipe.options import load_options
from finetune.recipe.sections import Predict
from finetune.run_folder import RunFolder

if TYPE_CHECKING:
    from finetune.api.exported import Target
    from finetune.api.run_plots import RunPlots
    from finetune.batch import Written
    from finetune.data import Splits
    from finetune.export import Exported
    from finetune.plots import Drawing
    from finetune.predict import ManyImages, OneImage, Precision, Prediction, Predictor, Runtime


class Run(Measured):
    """A finished run: what it scored, and its model ready to predict.

    Args:
        folder: The run folder.
        device: Where to predict; by default the GPU where there is one, else the CPU.
        runtime: ``onnx`` predicts with the graph that it was exported to.
    """

    folder: RunFolder

    def __init__(self, folder: RunFolder, device: str | None = None, runtime: Runtime = "torch") -> None:
        super().__init__(folder)
        self._device, self._runtime = device, runtime

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
        """The saved model, or models, loaded when it is first needed."""
        from finetune.predict import open_predictor

        return open_predictor(self.path, self._device, self._runtime)

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

    def predict_to(
        self,
        inputs: str | Path | Sequence[str | Path],
        out: str | Path,
        *,
        on_batch: Callable[[int], None] | None = None,
        **options: Any,
    ) -> Written:
        """Write what is on any number of images to a file, as ``deit-finetune predict RUN INPUT… --out FILE`` does.

        Images are read as they are needed and what was done is saved on the way: called again after an interruption,
        it goes on. Under `accelerate launch` the processes share the work.

        Args:
            inputs: Images, folders, globs, tables, JSON lines: see `finetune.batch.inputs`.
            out: .parquet, .csv or .jsonl; the columns are those of `finetune.batch.columns`.
            on_batch: Called with the number of images that were done.
            options: As of `finetune.recipe.sections.Predict`: ``top_k``, ``all_labels``, ``threshold``, ``format``,
                ``overwrite`` …
        Raises:
            FinetuneError: something that the caller can mend. An image that cannot be read is no such thing, but a row
                with an ``error``.
        """
        from finetune.batch import meet, predict_to

        if "runtime" in options:
            raise FinetuneError("runtime: is chosen where the run is opened, as in open_run(path, runtime='onnx')")
        words = [inputs] if isinstance(inputs, str | Path) else list(inputs)
        given = {"run": self.path, "inputs": words, "out": out, **options}
        wish = load_options(Predict, given, verb="predict_to")
        device = meet()
        if device is not None and self._runtime == "torch":
            self._device = device
        return predict_to(self.predictor, wish, self.models, on_batch=on_batch)

    @property
    def models(self) -> list[Path]:
        """The model folders that predict."""
        from finetune.predict import folder_of_graph

        return [self.folder.model if self._runtime == "torch" else folder_of_graph(self.path)]

    def export(self, to: Target, **options: Any) -> Exported:
        """Write it for other programs, as `finetune.api.exported.export` does; arguments and errors are of that."""
        from finetune.api.exported import export

        return export(self.path, to, **options)

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
