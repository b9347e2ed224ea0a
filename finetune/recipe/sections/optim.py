"""``optim``, ``loss`` and ``distill``: how the weights move, and towards what."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from finetune.recipe.sections.section import Count, Fraction, NonNegative, Positive, Section, Text


class Optim(Section):
    """How the weights move. A key that is null is as the preset has it; the run's record says what was chosen."""

    preset: Literal["auto", "plain", "azure", "deit", "deit_384", "deit_transfer"] = "auto"
    """auto: by what is trained and how many images there are; plain: 15 epochs of 5e-5; azure: its component's;
    deit: from random weights, as DeiT was; deit_384: its fine-tuning at 384 px; deit_transfer: its transfer to
    CIFAR and the like. What DeiT has besides (no clipping, smoothing, stochastic depth, averaged weights) a recipe
    writes: recipes/deit_base_imagenet.yaml has all of it."""
    epochs: Positive | None = None
    """Passes over the training images; a fraction is allowed."""
    max_steps: Count | None = None
    """Optimiser steps; when given, epochs is not used."""
    batch_size: Count | None = None
    """Images per optimiser step, over all processes and accumulation steps together. Presets auto, deit, deit_384 and
    deit_transfer fit to it a learning_rate that is null, and auto its epochs."""
    accumulation_steps: Count = 1
    """Pieces that a process works its share of a batch through in: less memory, same result (but for mixup and cutmix,
    which mix within a piece)."""
    find_batch_size: bool = False
    """After running out of memory, double accumulation_steps and start again with the same batch; one process."""
    learning_rate: Positive | None = None
    """Peak learning rate."""
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """Each block below the head learns at this multiple of the rate of the block above it."""
    head_multiplier: Positive = 1.0
    """The head learns at this multiple of the learning rate."""
    unfreeze_every_epochs: Positive | None = None
    """Gradual unfreezing: the head learns alone at first, and after each such span one block more, from the last
    down."""
    ema_decay: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """Keep a running average of the weights; it is scored beside the weights themselves, and the better is saved (where
    nothing is evaluated during training, the average)."""
    schedule: Literal["cosine", "linear", "cosine_with_restarts", "polynomial", "constant", "inverse_sqrt"] = "cosine"
    """Course of the learning rate after the warm-up."""
    schedule_args: dict[str, Any] = {}
    """Further arguments of the schedule, such as {num_cycles: 2} or {power: 2.0}."""
    warmup_fraction: Annotated[float, Field(ge=0.0, lt=1.0)] | None = None
    """Share of all steps over which the learning rate rises from 0."""
    warmup_steps: Count | None = None
    """Steps over which it rises, instead of a share."""
    optimizer: Text | None = None
    """adamw (fused), muon (orthogonalised momentum for the weight matrices, AdamW for the rest; from random weights it
    learns in half the images), sgd, adafactor, or any name that transformers' Trainer knows."""
    optimizer_args: dict[str, Any] = {}
    """Further arguments of the optimiser, by its own names."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    """Decay of AdamW's two running averages."""
    epsilon: Positive = 1e-8
    """AdamW's guard against division by zero."""
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9
    """Momentum of sgd and muon."""
    weight_decay: NonNegative | None = None
    """Not applied to biases, norms, class and distillation tokens and position embeddings."""
    max_grad_norm: NonNegative = 1.0
    """Gradients are clipped to this norm; 0 switches clipping off."""


class Loss(Section):
    """What training minimises."""

    kind: Literal["auto", "cross_entropy", "binary_cross_entropy", "focal", "asymmetric"] = "auto"
    """auto: cross_entropy (multiclass) or binary_cross_entropy (multilabel); binary_cross_entropy for multiclass is
    DeiT III's, averaged over the classes; asymmetric is for multilabel. Probabilities are a softmax or sigmoids by the
    task alone."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of the target that is spread evenly: over the classes (multiclass), over yes and no (multilabel)."""
    focal_gamma: NonNegative = 2.0
    """focal: how much less a sure and right answer counts."""
    asymmetric_gammas: tuple[NonNegative, NonNegative] = (0.0, 4.0)
    """asymmetric: the focus on present and on absent labels."""
    asymmetric_margin: Fraction = 0.05
    """asymmetric: absent labels below this probability do not count."""
    class_weights: Literal["balanced", "effective_number"] | dict[str, Positive] | None = None
    """Weight of each class: balanced is one over its number of training images; effective_number by how many of them
    are new; both with a mean of 1 over the images. Or given by name, 1 where a class is left out."""
    effective_number_beta: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.999
    """effective_number: 1 / (1 - beta) images are taken to cover a class; with far fewer it is as balanced."""
    pos_weight: Literal["balanced"] | Positive | dict[str, Positive] | None = None
    """multilabel: weight of a present label against an absent one; balanced: absent over present images of each class;
    a number for all; or given by name, 1 where a class is left out."""


class Distill(Section):
    """Learning from another classifier besides the labels."""

    teacher: Text
    """A checkpoint or run folder; its classes must be the data's, in any order. Of images that nothing varies it is
    asked once, and its answers are kept in memory for that run; each trial of a sweep asks again."""
    revision: str | None = None
    """Branch, tag or commit on the Hub."""
    kind: Literal["soft", "hard"] = "hard"
    """soft: the teacher's probabilities; hard: its decisions."""
    temperature: Positive | None = None
    """soft: divides the logits of both; null is 1."""
    weight: Fraction = 0.5
    """Share of the teacher in the loss; the labels have the rest."""
