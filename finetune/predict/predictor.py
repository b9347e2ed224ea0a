"""A saved model, ready to say what is on images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from finetune.labels import LabelSpace
from finetune.model import saved_task
from finetune.model.decision import Decision, read_decision
from finetune.model.saved import LoadedModel, open_saved
from finetune.predict.predictions import Prediction, predictions_of
from finetune.predict.scoring import Forward, Precision, forward_of, passes
from finetune.predict.sources import ManyImages, Sources

if TYPE_CHECKING:
    from transformers import PretrainedConfig


class Predictor:
    """A model with its classes, its pixels and its threshold. It needs no recipe and no training data.

    Args:
        model: A run's ``model`` folder, or a model that is loaded.
        threshold: Probability from which a label is predicted (multilabel), where the model has no tuned thresholds.
        flip: Take the mean of the logits of an image and of its mirror image.
        device: Where to compute; by default the GPU where there is one, else the CPU.
    Raises:
        CheckpointError: the folder holds no such model, or one that does not say what its task is.
    Attributes:
        labels: The model's classes.
        task: softmax or sigmoid, as the model's config says.
        decision: Thresholds and temperatures that were tuned and saved with the model.
        model_type: The architecture, as transformers calls it.
    """

    def __init__(
        self,
        model: str | Path | LoadedModel,
        *,
        threshold: float = 0.5,
        flip: bool = False,
        device: torch.device | str | None = None,
    ) -> None:
        loaded = model if isinstance(model, LoadedModel) else open_saved(Path(model))
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = loaded.model.to(self.device)  # type: ignore[arg-type]
        self.pixels = loaded.pixels
        self.threshold, self.flip = threshold, flip
        self.task = saved_task(loaded.model.config)
        self.labels = labels_of(loaded.model.config)
        self.decision = read_decision(Path(model), self.labels) if isinstance(model, str | Path) else Decision()

    @property
    def model_type(self) -> str:
        return str(self.model.config.model_type)

    @property
    def inside(self) -> LoadedModel | None:
        """What attention is read from: the model in PyTorch with its pixels, of several the first; None for a graph."""
        return LoadedModel(self.model, self.pixels)

    @property
    def thresholds(self) -> float | np.ndarray:
        """The probability from which a label is predicted; (classes,) where each class has its own."""
        tuned = self.decision.thresholds
        return self.threshold if tuned is None else np.asarray(tuned)

    def predict(
        self,
        images: ManyImages,
        *,
        precision: Precision = "fp32",
        batch_size: int | None = None,
        flip: bool | None = None,
        on_batch: Callable[[int], None] | None = None,
    ) -> list[Prediction]:
        """What is on images, one `Prediction` each, in their order.

        Args:
            images: A path, a Pillow image, the bytes of an image file, a uint8 array (height, width, 3), a list
                of any of these, or a split of a data set.
            precision: ``bf16`` is faster where the hardware has it, and moves probabilities by up to 5e-4.
            batch_size: Images per forward pass; by default 16 on a CPU and 64 elsewhere, fewer for few images.
            flip: Another choice than the predictor's own.
            on_batch: Called after each pass with the number of images in it.
        Raises:
            DataError: an image cannot be read; the message names it.
        """
        sources = Sources(images)
        logits = self.logits(sources, precision=precision, batch_size=batch_size, flip=flip, on_batch=on_batch)
        paths = [sources.path(index) for index in range(len(sources))]
        return self.said(logits, paths)

    def logits(
        self,
        images: ManyImages | Sources,
        *,
        precision: Precision = "fp32",
        batch_size: int | None = None,
        flip: bool | None = None,
        on_batch: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """(images, classes) float32, what the model gives, before temperature, softmax or sigmoid; arguments as of
        `predict`."""
        sources = images if isinstance(images, Sources) else Sources(images)
        batch_size = self.batch_size(len(sources), batch_size)
        with self.forward(precision=precision, flip=flip) as forward:
            rows = list(passes(forward, sources, self.pixels, batch_size, self.device, on_batch))
        return np.concatenate(rows) if rows else np.empty((0, len(self.labels)), dtype=np.float32)

    def forward(self, *, precision: Precision = "fp32", flip: bool | None = None) -> AbstractContextManager[Forward]:
        """The bare forward pass, for who decodes and batches on their own, as a server does.

        Arguments are as of `predict`.

        Returns:
            Within its ``with``, a function of (images, 3, height, width) uint8, as ``pixels.to_uint8`` makes them, to
            (images, classes) logits before any temperature.
        """
        return forward_of(
            self.model, self.pixels, self.device, precision=precision, flip=self.flip if flip is None else flip
        )

    def said(self, logits: np.ndarray, paths: Sequence[str | None]) -> list[Prediction]:
        """What the model's (images, classes) logits mean: temperature, softmax or sigmoid, and decisions."""
        calibrated, below = self.decision.calibrated(logits), self.decision.abstain_below or 0.0
        return list(predictions_of(calibrated, paths, self.labels, self.task, self.thresholds, below))

    def batch_size(self, images: int, wanted: int | None = None) -> int:
        """Images per forward pass: 16 on a CPU and 64 elsewhere, if nothing is wanted, and no more than there are."""
        return max(1, min(wanted or (16 if self.device.type == "cpu" else 64), images))


def labels_of(config: PretrainedConfig) -> LabelSpace:
    """A model's classes, in the order of its outputs."""
    return LabelSpace(tuple(name for _, name in sorted((config.id2label or {}).items())))
