"""A run's model, batches, objective and callbacks, put together into its Trainer."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from finetune.data import targets
from finetune.data.decoded import DecodedImages
from finetune.metrics import higher_is_better
from finetune.model import (
    LoadedModel,
    load_with_new_head,
    ready_to_learn,
    set_attention,
)
from finetune.model.blocks import find_row
from finetune.pixels import PixelPipeline, TrainingCrop
from finetune.pixels.augmentation.device import DeviceAugmentation
from finetune.training.arguments import best_metric, optimizer_args, training_arguments
from finetune.training.averaging import AverageWeights
from finetune.training.batches import EpochLoader, GlobalBatches, TrainingImages, choose_workers, training_loader
from finetune.training.history import KeepHistory, MarkCheckpoints
from finetune.training.objective import LearnFromTeacher, LearnLabels, Objective, check_heads_learn
from finetune.training.parameter_groups import rate_factors
from finetune.training.processes import main_first
from finetune.training.sampling import balanced_chances
from finetune.training.stopping import StopOnTime, StopWithoutProgress
from finetune.training.teacher import Answers, KeptAnswers, Teacher, load_teacher
from finetune.training.tracking import trackers
from finetune.training.trainer import ClassifierTrainer
from finetune.training.unfreezing import UnfreezeGradually
from finetune.training.work import Work


def load(work: Work) -> LoadedModel:
    """The recipe's model, ready to learn."""
    with work.phases("model"), main_first():
        loaded = load_with_new_head(work.recipe, work.splits.labels, work.task)
    set_attention(loaded.model, work.attention)
    return ready_to_learn(loaded, work.recipe)


def build_trainer(work: Work, loaded: LoadedModel, accumulation_steps: int, callbacks: list[Any]) -> ClassifierTrainer:
    """The Trainer with its batches, its measure and its callbacks.

    Args:
        loaded: As `load` gives it.
        accumulation_steps: Pieces that a process works its share of a batch through in.
        callbacks: Besides those that the recipe asks for.
    """
    recipe = work.recipe
    images = DecodedImages(work.splits.datasets["train"], recipe.data.keep_decoded_mb)
    evaluates = "validation" in work.splits.datasets
    arguments = training_arguments(
        recipe, work.settings, work.hardware, work.folder.checkpoints, accumulation_steps, evaluates
    )
    return ClassifierTrainer(
        model=loaded.model,
        args=arguments,
        loader=build_loader(work, images, loaded.pixels, accumulation_steps),
        task=work.task,
        pixels=loaded.pixels,
        vary=DeviceAugmentation(work.augmentation, loaded.pixels, len(work.splits.labels)),
        objective=choose_objective(work, loaded, images, arguments.device),
        optimizer_args=optimizer_args(recipe, work.settings),
        measure=work.measure(loaded, arguments.device) if arguments.eval_strategy != "no" else None,
        callbacks=[*callbacks, *_unfreezing(work, loaded), *_listeners(work)],
        rate_factors=rate_factors(loaded.model, layer_decay(work, loaded.model), recipe.optim.head_multiplier),
        muon=work.settings.optimizer == "muon",
        average=_average(work),
    )


def build_loader(work: Work, images: DecodedImages, pixels: PixelPipeline, accumulation_steps: int) -> EpochLoader:
    """This process's training batches."""
    recipe, truth = work.recipe, targets(work.splits.datasets["train"])
    batches = GlobalBatches(
        len(images),
        work.settings.batch_size,
        accumulation_steps,
        work.hardware.rank,
        work.hardware.processes,
        recipe.run.seed,
        work.augmentation.repeats,
        balanced_chances(truth) if recipe.data.sampling == "balanced" else None,
    )
    training = TrainingImages(images, truth, TrainingCrop(work.augmentation, pixels), recipe.run.seed)
    workers = choose_workers(recipe.data.workers, images.all_kept, work.hardware.device_type)
    return training_loader(training, batches, workers, pin_memory=work.hardware.device_type == "cuda")


def layer_decay(work: Work, model: torch.nn.Module) -> float:
    """The recipe's, or the preset's where the architecture has blocks that it could count."""
    given = work.recipe.optim.layer_decay is not None or find_row(model) is not None
    return work.settings.layer_decay if given else 1.0


def _unfreezing(work: Work, loaded: LoadedModel) -> list[Any]:
    """The callback that lets one block after the other learn, where the recipe asks for it."""
    span = work.recipe.optim.unfreeze_every_epochs
    return [] if span is None else [UnfreezeGradually(loaded.model, span, partial(work.console.print, markup=False))]


def _average(work: Work) -> AverageWeights | None:
    """The average of the weights, where the recipe asks for it."""
    decay, metric = work.recipe.optim.ema_decay, best_metric(work.recipe)
    return None if decay is None else AverageWeights(decay, metric, higher_is_better(metric))


def choose_objective(work: Work, loaded: LoadedModel, images: DecodedImages, device: torch.device) -> Objective:
    """What a step minimises; a teacher, where the recipe names one, is loaded and recorded."""
    distill = work.recipe.distill
    if distill is None:
        return LearnLabels(work.task)
    check_heads_learn(loaded.model, distill.weight)
    with work.phases("model"), main_first():
        teacher = load_teacher(distill, work.splits.labels, work.task, loaded.pixels, work.hardware.precision)
    teacher.model.to(device)  # type: ignore[arg-type]
    set_attention(teacher.model, work.hardware.attention("auto"))
    work.note({"teacher": {**teacher.source, "looks": "anew" if work.augmentation.varies else "once"}})
    answers = teacher if work.augmentation.varies else _ask_once(work, teacher, images, device)
    return LearnFromTeacher(work.task, answers, distill.kind, distill.temperature or 1.0, distill.weight)


def _ask_once(work: Work, teacher: Teacher, images: DecodedImages, device: torch.device) -> Answers:
    """The teacher's answers on images that never vary, asked for in advance.

    In the passes of an evaluation, which all processes share: an image's answer then depends neither on the
    batch that it comes in nor on where a run was resumed.
    """
    work.console.print(f"the teacher looks at {len(images):,} images once")
    with work.phases("teacher"):
        logits = work.score(teacher.model, images, teacher.pixels, device, work.evaluation_precision)
    return KeptAnswers.of(teacher, logits, device)


def _listeners(work: Work) -> list[Any]:
    """What listens to the Trainer, by what the recipe asks for."""
    recipe, evaluate = work.recipe, work.recipe.evaluate
    listeners: list[Any] = [MarkCheckpoints(), KeepHistory(work.folder, work.evaluation_precision), *work.listeners]
    if recipe.run.max_minutes is not None:
        listeners.append(StopOnTime(recipe.run.max_minutes))
    if evaluate.patience is not None:
        listeners.append(StopWithoutProgress(best_metric(recipe), evaluate.patience, evaluate.min_improvement))
    return listeners + (trackers(recipe, work.folder) if work.hardware.is_main else [])
