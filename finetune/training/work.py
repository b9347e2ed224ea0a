"""What one run works with, and how it measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from rich.console import Console
from transformers import TrainerCallback

from finetune.data import Splits, targets
from finetune.data.decoded import DecodedImages
from finetune.metrics import score_metrics
from finetune.model import (
    LoadedModel,
    Task,
)
from finetune.predict import Precision
from finetune.predict.scoring import Pixels
from finetune.recipe import Recipe
from finetune.recipe.augmentation import Augmentation, choose_augmentation
from finetune.recipe.settings import Settings
from finetune.run_folder import RunFolder
from finetune.training.hardware import Hardware
from finetune.training.record import Phases
from finetune.training.resuming import Plan
from finetune.training.scoring import score_together
from finetune.training.stopping import epochs_between_evaluations


@dataclass(frozen=True)
class Work:
    """What one run works with, once the recipe, the machine and the data are known."""

    plan: Plan
    folder: RunFolder
    hardware: Hardware
    splits: Splits
    settings: Settings
    task: Task
    console: Console
    phases: Phases
    listeners: tuple[TrainerCallback, ...] = ()

    @property
    def recipe(self) -> Recipe:
        return self.plan.recipe

    @property
    def augmentation(self) -> Augmentation:
        """How training images are varied."""
        return choose_augmentation(self.recipe.augment)

    def note(self, fields: dict[str, Any]) -> None:
        """Write into the run's record, from the main process."""
        if self.hardware.is_main:
            self.folder.update_record(fields)

    def say_preprocessing(self, loaded: LoadedModel) -> None:
        """Say where preprocessing is not what the checkpoint's file says."""
        if loaded.source.get("preprocessing_note"):
            self.console.print(f"preprocessing: {loaded.source['preprocessing_note']}", markup=False)

    @property
    def attention(self) -> Literal["eager", "sdpa"]:
        """How attention is computed while training."""
        return self.hardware.attention(self.recipe.model.attention)

    @property
    def evaluation_epochs(self) -> int:
        """Epochs from one evaluation to the next."""
        steps_per_epoch = -(-len(self.splits.datasets["train"]) // self.settings.batch_size)
        max_steps = self.recipe.optim.max_steps
        epochs = max_steps / steps_per_epoch if max_steps else self.settings.epochs
        return self.recipe.evaluate.every_epochs or epochs_between_evaluations(epochs, steps_per_epoch)

    @property
    def evaluation_precision(self) -> Precision:
        """Arithmetic of evaluations during training; the final ones have ``evaluate.precision``."""
        return self.hardware.scoring_precision

    def score(
        self,
        model: torch.nn.Module,
        images: DecodedImages,
        pixels: Pixels,
        device: torch.device,
        precision: Precision,
        flip: bool = False,
    ) -> np.ndarray:
        """Logits of a split by all processes."""
        size = self.images_per_pass(device)
        return score_together(
            model, images, pixels, self.hardware, batch_size=size, device=device, precision=precision, flip=flip
        )

    def images_per_pass(self, device: torch.device) -> int:
        """Images per forward pass where nothing is learnt."""
        return self.recipe.evaluate.batch_size or (16 if device.type == "cpu" else 64)

    def metrics(self, logits: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
        """All metrics of a split."""
        evaluate = self.recipe.evaluate
        return score_metrics(
            self.task.name, logits, truth, self.splits.labels, threshold=evaluate.threshold, top_k=evaluate.top_k
        )

    def measure(self, loaded: LoadedModel, device: torch.device) -> Any:
        """A function that gives the validation metrics of a model as it is."""
        validation = self.splits.datasets["validation"]
        images = DecodedImages(validation, self.recipe.data.keep_decoded_mb)
        truth = targets(validation)

        def metrics_of(model: torch.nn.Module) -> dict[str, Any]:
            logits = self.score(model, images, loaded.pixels, device, self.evaluation_precision)
            return self.metrics(logits, truth)

        return metrics_of
