"""Rows to predictions; what cannot be read has an error instead of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from finetune.batch.rows import Row
from finetune.metrics.definitions import MULTICLASS
from finetune.predict import Precision, Prediction, Predictor, outcomes


class Answer(NamedTuple):
    """What is said of a row: a prediction, or why there is none."""

    row: Row
    said: Prediction | None
    error: str | None


def answers(
    predictor: Predictor,
    rows: Sequence[Row],
    *,
    precision: Precision = "fp32",
    batch_size: int | None = None,
    flip: bool | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> Iterator[Answer]:
    """One answer for each row, in order; arguments as of `Predictor.predict`."""
    choice: dict[str, Any] = {"precision": precision, "batch_size": batch_size, "flip": flip, "on_batch": on_batch}
    found = outcomes(predictor, _Images(rows), [row.shown for row in rows], **choice)
    for row, one in zip(rows, found, strict=True):
        yield Answer(row, None, one) if isinstance(one, str) else Answer(row, one, None)


class _Images:
    """The images of rows, read when they are asked for."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int, /) -> Image.Image:
        return self._rows[index].image()


def draw(answer: Answer, predictor: Predictor, folder: Path, number: int) -> None:
    """Write ``000001-NAME.png``, the image beside its scores; nothing for one that cannot be read.

    Args:
        number: The row's place among all, from 1.
    """
    from finetune.plots import image_and_scores

    if answer.said is None:
        return
    one_for_all = predictor.task.name != MULTICLASS and predictor.decision.thresholds is None
    threshold = predictor.threshold if one_for_all else None
    title = Path(answer.row.name).name
    drawing = image_and_scores(answer.row.image(), answer.said.top(10), answer.said.predicted, threshold, title)
    folder.mkdir(parents=True, exist_ok=True)
    drawing.savefig(folder / f"{number:06d}-{Path(answer.row.name).stem}.png", dpi=90)
