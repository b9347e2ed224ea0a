"""Rows to predictions; what cannot be read has an error instead of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from finetune.batch.rows import Row
from finetune.data.images import ImageError
from finetune.errors import DataError
from finetune.metrics.definitions import MULTICLASS
from finetune.predict import Precision, Prediction, Predictor
from finetune.predict.scoring import passes


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
    images = _Images(rows, predictor)
    size = predictor.batch_size(len(rows), batch_size)
    with predictor.forward(precision=precision, flip=flip) as forward:
        logits = np.concatenate(list(passes(forward, images, images, size, predictor.device, on_batch)))
    for index, (row, said) in enumerate(zip(rows, predictor.said(logits, [row.shown for row in rows]), strict=True)):
        error = images.faults.get(index)
        yield Answer(row, said if error is None else None, error)


class _Images:
    """Images and, for them alone, the pixels of the forward pass: prepared where they are read, so that an image which
    cannot be is a black one, whose answer is dropped, and its neighbours keep their places in the batch."""

    def __init__(self, rows: Sequence[Row], predictor: Predictor) -> None:
        self._rows, self._pixels = rows, predictor.pixels
        self.faults: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int, /) -> Any:
        try:
            return self._pixels.to_uint8(self._rows[index].image())
        except ImageError as error:
            self.faults[index] = f"{error.kind} ({error.detail})"
        except DataError as error:
            self.faults[index] = str(error)
        except MemoryError:
            self.faults[index] = "cannot be read (it needs more memory than there is)"
        return np.zeros((3, self._pixels.size_px, self._pixels.size_px), dtype=np.uint8)

    def to_uint8(self, image: Any) -> np.ndarray:
        prepared: np.ndarray = image
        return prepared

    def normalise(self, batch: torch.Tensor) -> torch.Tensor:
        return self._pixels.normalise(batch)


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
