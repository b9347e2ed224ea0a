"""Pictures of a run: what to draw is chosen here, how it is drawn in `finetune.plots`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from finetune.api.scored_plots import ScoredPlots
from finetune.data.images import decode
from finetune.errors import DataError
from finetune.plots import Drawing, curves, image_and_scores, sample_images
from finetune.predict import OneImage, Sources

if TYPE_CHECKING:
    from finetune.api.run import Run


class RunPlots(ScoredPlots):
    """Figures of one run. A notebook shows them; ``.savefig("curves.png")`` writes them.

    Where no split is named, scores are those of ``scored`` and images those of ``shown``.
    """

    shown = "train"

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._run = run

    def curves(self) -> Drawing:
        """Losses and the main validation metrics over the epochs; a dotted line marks the saved model.

        Raises:
            DataError: nothing was evaluated during training.
        """
        run = self._run
        if not run.history:
            raise DataError(f"{run.folder}: nothing was evaluated during training, so there are no curves")
        best: str = run.record.get("derived", {}).get("best_metric", "accuracy")
        metrics = dict.fromkeys([best, "accuracy", "mAP", "f1_macro"])
        return curves(run.history, [name for name in metrics if name != "loss"], run.record.get("best", {}).get("step"))

    def image(self, image: OneImage) -> Drawing:
        """An image beside the probabilities of its classes, at most ten."""
        run = self._run
        (prediction,) = run.predict([image])
        one_for_all = run.recipe.task == "multilabel" and run.predictor.decision.thresholds is None
        threshold = run.recipe.evaluate.threshold if one_for_all else None
        title = Path(prediction.path).name if prediction.path else ""
        return image_and_scores(Sources([image])[0], prediction.top(10), prediction.predicted, threshold, title)

    def data(self, n: int = 8, split: str | None = None) -> Drawing:
        """``n`` images of a split with their labels, spread over the classes."""
        return sample_images(self._run.data, n, split or self.shown)

    def _image(self, split: str, place: int, row: dict[str, Any]) -> Image.Image:
        """The image of a prediction: the file, or the row of the data set where it never was a file."""
        if Path(row["path"]).is_file():
            return decode(row["path"])
        return decode(self._run.data.datasets[split][place]["image"])


class FoldPlots(RunPlots):
    """Figures of a cross-validation."""

    scored, shown = "out_of_fold", "out_of_fold"

    def curves(self) -> Drawing:
        """None: each fold has its own.

        Raises:
            DataError: always; it says where they are.
        """
        raise DataError(
            f"{self._run.folder}: each fold has curves of its own; .folds[0].plots.curves() draws the first's"
        )
