"""Rows to predictions; what cannot be read has an error instead of one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from finetune.batch.rows import Row
from finetune.errors import DataError
from finetune.metrics.definitions import MULTICLASS
from finetune.predict import Prediction, Predictor, outcomes
from finetune.recipe.sections import Predict

_LONGEST_STEM = 200  # bytes, of the 255 that a file's name may have


class Answer(NamedTuple):
    """What is said of a row: a prediction, or why there is none."""

    row: Row
    said: Prediction | None
    error: str | None


def answers(
    predictor: Predictor,
    rows: Sequence[Row],
    options: Predict,
    first: int,
    on_batch: Callable[[int], None] | None = None,
) -> Iterator[Answer]:
    """One answer for each row, in order; drawn beside its image where pictures are asked for.

    Args:
        options: Precision, batch size, flip and pictures.
        first: The first row's place among all, from 1.
        on_batch: Called with the number of images that were done.
    """
    found = outcomes(
        predictor,
        _Images(rows),
        [row.shown for row in rows],
        precision=options.precision,
        batch_size=options.batch_size,
        flip=options.flip,
        on_batch=on_batch,
    )
    pictures = pictures_folder(options)
    for place, (row, one) in enumerate(zip(rows, found, strict=True), first):
        if not isinstance(one, str) and pictures is not None:
            _draw(row, one, predictor, pictures, place)
        yield Answer(row, None, one) if isinstance(one, str) else Answer(row, one, None)


def pictures_folder(options: Predict) -> Path | None:
    """The folder for pictures, made where it is not there; None where none are asked for.

    Raises:
        DataError: it cannot be.
    """
    if options.pictures is None:
        return None
    folder = Path(options.pictures).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"--pictures {folder}: cannot be made a folder ({error.strerror}); choose another") from error
    return folder


class _Images:
    """The images of rows, read when they are asked for."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int, /) -> Image.Image:
        return self._rows[index].image()


def _draw(row: Row, said: Prediction, predictor: Predictor, folder: Path, place: int) -> None:
    """Write ``000001-NAME.png``, the image beside its scores."""
    from finetune.plots import image_and_scores

    one_for_all = predictor.task.name != MULTICLASS and predictor.decision.thresholds is None
    threshold = predictor.threshold if one_for_all else None
    name = Path(row.shown.replace("\0", "")).name
    drawing = image_and_scores(row.image(), said.top(10), said.predicted, threshold, name)
    stem = Path(name).stem.encode()[:_LONGEST_STEM].decode(errors="ignore")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in a script that the font lacks
        drawing.savefig(folder / f"{place:06d}-{stem}.png", dpi=90)
