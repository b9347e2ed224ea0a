"""Pictures of a run: what to draw is chosen here, how it is drawn in `finetune.plots`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from finetune.data.images import decode
from finetune.errors import DataError
from finetune.plots import (
    Drawing,
    Tile,
    confusion_matrix,
    curves,
    grouped_bars,
    image_and_scores,
    image_grid,
    reliability_diagram,
    sample_images,
    spread,
)
from finetune.plots.scored import precision_recall_of
from finetune.predict import OneImage, Sources, how_sure, is_right

if TYPE_CHECKING:
    from finetune.api.run import Run


class RunPlots:
    """Figures of one run. A notebook shows them; ``.savefig("curves.png")`` writes them.

    Where no split is named, scores are those of ``scored`` and images those of ``shown``.
    """

    scored, shown = "validation", "train"

    def __init__(self, run: Run) -> None:
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

    def confusion_matrix(self, split: str | None = None) -> Drawing:
        """Which class was taken for which (multiclass).

        Raises:
            DataError: the split was not scored, or images have several labels.
        """
        split = split or self.scored
        matrix = self._metrics(split).get("confusion_matrix")
        if matrix is None:
            raise DataError(f"{self._run.folder}: {split} has no confusion matrix; plots.per_class() is for every task")
        return confusion_matrix(matrix, self._run.labels.names)

    def precision_recall(self, split: str | None = None, classes: int = 8) -> Drawing:
        """Precision over recall of the classes with the lowest average precision.

        Raises:
            DataError: the split was not scored.
        """
        split = split or self.scored
        return precision_recall_of(self._metrics(split), _of_split(self._run, split), classes)

    def reliability(self, split: str | None = None) -> Drawing:
        """How often what was said with a probability was so, before and after calibration.

        Raises:
            DataError: the split was not scored.
        """
        split = split or self.scored
        self._metrics(split)
        found = self._run.folder.read_reliability()[split]
        return reliability_diagram(*((found[when] or {}).get("bins", ()) for when in ("before", "after")))

    def per_class(self, split: str | None = None) -> Drawing:
        """Precision, recall and F1 of every class, with the number of its images.

        Raises:
            DataError: the split was not scored.
        """
        split = split or self.scored
        rows: dict[str, dict[str, Any]] = self._metrics(split)["per_class"]
        groups = [f"{name} ({row['support']})" for name, row in rows.items()]
        series = {key: [row[key] for row in rows.values()] for key in ("precision", "recall", "f1")}
        return grouped_bars(groups, series, xlabel=f"{split} (in brackets: its images of the class)")

    def predictions(self, n: int = 8, split: str | None = None, wrong_first: bool = True) -> Drawing:
        """``n`` images with what was predicted, and what is true where that differs.

        Args:
            wrong_first: Begin with the mistakes, the surest first; else take images spread over the split.
        Raises:
            DataError: the split was not scored.
        """
        split = split or self.scored
        self._metrics(split)
        rows = [(place, row) for place, row in enumerate(_of_split(self._run, split))]
        if wrong_first:
            task = self._run.recipe.task
            rows.sort(key=lambda pair: (is_right(pair[1]), -how_sure(pair[1], task)))
        chosen = rows[:n] if wrong_first else spread(rows, n)
        return image_grid([Tile(self._image(split, place, row), *_caption(row)) for place, row in chosen])

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

    def _metrics(self, split: str) -> dict[str, Any]:
        """The scores of a split; what else stands in a cross-validation's metrics is none."""
        scores: dict[str, dict[str, Any]] = {
            name: value for name, value in self._run.metrics.items() if "per_class" in value
        }
        if split not in scores:
            raise DataError(f"{self._run.folder}: {split} was not scored; {', '.join(scores) or 'no split'} was")
        return scores[split]

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


def _of_split(run: Run, split: str) -> Iterator[dict[str, Any]]:
    return (row for row in run.predictions if row["split"] == split)


def _caption(row: dict[str, Any]) -> tuple[str, bool]:
    predicted = ", ".join(f"{name} {row['probabilities'][name]:.2f}" for name in row["predicted"]) or "none"
    true = ", ".join(row["true"]) or "none"
    return (predicted, True) if is_right(row) else (f"{predicted}\ntrue: {true}", False)
