"""Pictures of what was measured: what to draw is chosen here, how it is drawn in `finetune.plots`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from PIL import Image

from finetune.data.images import decode
from finetune.errors import DataError
from finetune.plots import (
    Drawing,
    Tile,
    confusion_matrix,
    grouped_bars,
    image_grid,
    reliability_diagram,
    spread,
)
from finetune.plots.scored import precision_recall_of
from finetune.predict import how_sure, is_right

if TYPE_CHECKING:
    from finetune.api.measured import Measured


class ScoredPlots:
    """Figures of predictions. A notebook shows them; ``.savefig("classes.png")`` writes them.

    Where no split is named, it is ``scored``, or the last that was scored where that was not.
    """

    scored = "validation"

    def __init__(self, measured: Measured) -> None:
        self._measured = measured

    def confusion_matrix(self, split: str | None = None) -> Drawing:
        """Which class was taken for which (multiclass).

        Raises:
            DataError: the split was not scored, or images have several labels.
        """
        split = self._split(split)
        matrix = self._metrics(split).get("confusion_matrix")
        if matrix is None:
            raise DataError(
                f"{self._measured.folder}: {split} has no confusion matrix; plots.per_class() is for every task"
            )
        return confusion_matrix(matrix, list(self._metrics(split)["per_class"]))

    def precision_recall(self, split: str | None = None, classes: int = 8) -> Drawing:
        """Precision over recall of the classes with the lowest average precision.

        Raises:
            DataError: the split was not scored.
        """
        split = self._split(split)
        return precision_recall_of(self._metrics(split), self._of_split(split), classes)

    def reliability(self, split: str | None = None) -> Drawing:
        """How often what was said with a probability was so, before and after calibration.

        Raises:
            DataError: the split was not scored.
        """
        split = self._split(split)
        self._metrics(split)
        found = self._measured.folder.read_reliability()[split]
        return reliability_diagram(*((found[when] or {}).get("bins", ()) for when in ("before", "after")))

    def per_class(self, split: str | None = None) -> Drawing:
        """Precision, recall and F1 of every class, with the number of its images.

        Raises:
            DataError: the split was not scored.
        """
        split = self._split(split)
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
        split = self._split(split)
        self._metrics(split)
        rows = [(place, row) for place, row in enumerate(self._of_split(split))]
        if wrong_first:
            task = self._measured.task
            rows.sort(key=lambda pair: (is_right(pair[1]), -how_sure(pair[1], task)))
        chosen = rows[:n] if wrong_first else spread(rows, n)
        return image_grid([Tile(self._image(split, place, row), *_caption(row)) for place, row in chosen])

    def _split(self, split: str | None) -> str:
        """The split that is meant; that it was scored is seen when its metrics are read."""
        there = self._all_metrics()
        return split or (self.scored if self.scored in there or not there else list(there)[-1])

    def _all_metrics(self) -> dict[str, dict[str, Any]]:
        """The scores of each split; what else stands in a cross-validation's metrics is none."""
        return {name: value for name, value in self._measured.metrics.items() if "per_class" in value}

    def _metrics(self, split: str) -> dict[str, Any]:
        scores = self._all_metrics()
        if split not in scores:
            raise DataError(f"{self._measured.folder}: {split} was not scored; {', '.join(scores) or 'no split'} was")
        return scores[split]

    def _of_split(self, split: str) -> Iterator[dict[str, Any]]:
        return (row for row in self._measured.predictions if row["split"] == split)

    def _image(self, split: str, place: int, row: dict[str, Any]) -> Image.Image:
        """The image of a prediction."""
        return decode(row["path"])


def _caption(row: dict[str, Any]) -> tuple[str, bool]:
    predicted = ", ".join(f"{name} {row['probabilities'][name]:.2f}" for name in row["predicted"]) or "none"
    true = ", ".join(row["true"]) or "none"
    return (predicted, True) if is_right(row) else (f"{predicted}\ntrue: {true}", False)
