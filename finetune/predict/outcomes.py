"""Predictions of images some of which cannot be read: these have a fault instead of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from finetune.data.images import ImageError
from finetune.errors import DataError
from finetune.predict.predictions import Prediction
from finetune.predict.predictor import Predictor
from finetune.predict.scoring import Images, Precision, passes


def outcomes(
    predictor: Predictor,
    images: Images,
    paths: Sequence[str | None],
    *,
    precision: Precision = "fp32",
    batch_size: int | None = None,
    flip: bool | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> Iterator[Prediction | str]:
    """For each image, in order, what is on it, or why that cannot be said.

    Args:
        images: Decoded where they are asked for; what cannot be raises a DataError.
        paths: What the prediction of each calls it.
        precision, batch_size, flip, on_batch: As of `Predictor.predict`.
    """
    if not len(images):
        return
    prepared = _Prepared(images, predictor)
    size = predictor.batch_size(len(images), batch_size)
    with predictor.forward(precision=precision, flip=flip) as forward:
        logits = np.concatenate(list(passes(forward, prepared, prepared, size, predictor.device, on_batch)))
    for index, said in enumerate(predictor.said(logits, paths)):
        yield prepared.faults.get(index, said)


class _Prepared:
    """Images and, for them alone, the pixels of the forward pass: prepared where they are read, so that an image which
    cannot be is a black one, whose prediction is dropped, and its neighbours keep their places in the batch."""

    def __init__(self, images: Images, predictor: Predictor) -> None:
        self._images, self._pixels = images, predictor.pixels
        self.faults: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int, /) -> Any:
        try:
            return self._pixels.to_uint8(self._images[index])
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
