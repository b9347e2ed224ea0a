"""``evaluate``, ``run`` and ``search``: what is measured, where the run goes, and what a sweep varies."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from finetune.recipe.sections.section import Count, Fraction, NonNegative, Positive, Section, Text


class Evaluate(Section):
    """When and how the model is measured."""

    every: Literal["epoch", "steps", "never"] = "epoch"
    """When the validation split is scored during training (and a checkpoint saved)."""
    every_steps: Count | None = None
    """Steps between evaluations, for every: steps."""
    every_epochs: Count | None = None
    """Epochs between evaluations, for every: epoch; null: 1, or where an epoch has fewer than 100 steps so many that a
    run has at most 50 evaluations."""
    batch_size: Count | None = None
    """Images per forward pass and process; by default 16 on a CPU, 64 on a GPU."""
    best_metric: str | None = None
    """Validation metric that picks the saved model; by default accuracy (multiclass) or mAP (multilabel)."""
    patience: Count | None = None
    """Evaluations without a better best_metric after which training stops."""
    min_improvement: NonNegative = 0.0
    """How much better counts as better for patience."""
    thresholds: Fraction | Literal["tuned"] = 0.5
    """Probability from which a label is predicted (multilabel). tuned: for each class its own, or for multiclass one
    below which nothing is predicted, tuned on the validation split when training is over and saved with the model;
    0.5 until then, and where it gains nothing."""
    calibration: Literal["none", "temperature"] = "none"
    """temperature: when training is over, fit on the validation split what logits are divided by (multilabel: for each
    class) so that probabilities can be taken at their word, and save it with the model."""
    top_k: Count = 5
    """k of top-k accuracy (multiclass), at most the number of classes."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of the final metrics and predictions.jsonl."""
    flip: bool = False
    """Average the logits of an image and its mirror image in the final metrics and in predict."""

    @property
    def threshold(self) -> float:
        """The probability from which a label is predicted where nothing is tuned."""
        return 0.5 if self.thresholds == "tuned" else float(self.thresholds)

    @property
    def tunes(self) -> bool:
        """Whether something is fitted on the validation split when training is over."""
        return self.thresholds == "tuned" or self.calibration != "none"


class Run(Section):
    """Where the run goes and how it is carried out."""

    root: Text = "runs"
    """Folder of run folders, relative to the working directory."""
    name: Annotated[str, Field(pattern=r"^[^/\\]*[^/\\.][^/\\]*$")] | None = None
    """Name of the run folder; by default the recipe's file name."""
    seed: int = 42
    """Seeds the new head, the order of the images and the augmentation."""
    max_minutes: Positive | None = None
    """Training stops after this many minutes, the learning rate coming down in time; the best model is saved."""
    device: Literal["auto", "cpu"] = "auto"
    """auto takes what Accelerate finds; cpu leaves a GPU alone."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the training step; auto takes bf16 where the hardware has it, else fp32."""
    deterministic: bool = False
    """Bit-equal results on a GPU too, at the cost of speed."""
    keep_checkpoints: Count = 2
    """Resumable checkpoints kept: the newest, and the best among them always."""
    log_every_steps: Count = 10
    """Steps between lines of loss and learning rate in the tracking."""
    tracking: list[Literal["tensorboard", "mlflow", "wandb"]] = ["tensorboard"]
    """Where curves are written besides history.jsonl; mlflow and wandb need their package."""


class Span(Section):
    """A range that a sweep draws numbers from."""

    low: float
    """The lowest value."""
    high: float
    """The highest value."""
    log: bool = False
    """Draw evenly on a logarithmic scale."""
    whole: bool = False
    """Draw whole numbers."""

    @model_validator(mode="after")
    def _rises(self) -> Span:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"low {self.low:g} and high {self.high:g} must rise, from above 0 where log is true")
        return self


class Search(Section):
    """What ``deit-finetune sweep`` varies."""

    space: dict[str, Span | list[Any]] = {}
    """Dotted keys, and for each the span or the list of values to draw from."""
    sampler: Literal["tpe", "random"] = "tpe"
    """How values are drawn: by what did well (tree-structured Parzen estimator), or at random."""
    prune: bool = True
    """Stop a trial that is behind the median of the others at the same evaluation."""
