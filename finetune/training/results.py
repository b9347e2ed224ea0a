"""The end of a run: the saved model, what it scores, and what is recorded of how it came about."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch

from finetune.data import targets
from finetune.data.decoded import DecodedImages
from finetune.evaluation import Judge, Scored, tune, write_outcome
from finetune.model import (
    LoadedModel,
    open_saved,
    save_model,
)
from finetune.model.decision import Decision, write_decision
from finetune.predict import write_gallery
from finetune.report import write_report
from finetune.run_folder import RunFolder
from finetune.training.arguments import best_metric
from finetune.training.assembly import layer_decay
from finetune.training.probe import probe_logits
from finetune.training.processes import wait_for_all
from finetune.training.trainer import ClassifierTrainer, whole_weights
from finetune.training.work import Work


def finish(work: Work, loaded: LoadedModel) -> RunFolder:
    """Save the model, open it again, and report what the saved one scores."""
    device = next(loaded.model.parameters()).device
    weights = whole_weights(loaded.model)
    if work.hardware.is_main:
        save_model(loaded.model, loaded.pixels, work.folder.model, weights)
    wait_for_all()
    with work.phases("evaluation"):
        saved = open_saved(work.folder.model)
        saved.model.to(device)  # type: ignore[arg-type]
        held_out = {name: split for name, split in work.splits.datasets.items() if name != "train"}
        logits = {name: _final_logits(work, saved, name, device) for name in held_out}
    if work.hardware.is_main:
        _write_results(work, held_out, logits)
        with work.phases("pictures"):
            images = {name: DecodedImages(split, 0).__getitem__ for name, split in held_out.items()}
            write_gallery(work.folder, work.recipe.task, images, saved)
    work.note({"status": "finished", "seconds": work.phases.seconds})
    if work.hardware.is_main:
        write_report(work.folder)
    wait_for_all()
    return work.folder


def _final_logits(work: Work, saved: LoadedModel, split: str, device: torch.device) -> np.ndarray:
    if work.recipe.model.train == "probe" and not work.recipe.evaluate.flip:
        return probe_logits(work, saved, split)  # costs no forward pass where the features are known
    images = DecodedImages(work.splits.datasets[split], work.recipe.data.keep_decoded_mb)
    evaluate = work.recipe.evaluate
    return work.score(saved.model, images, saved.pixels, device, evaluate.precision, evaluate.flip)


def _write_results(work: Work, held_out: dict[str, Any], logits: dict[str, np.ndarray]) -> None:
    evaluate = work.recipe.evaluate
    splits = {name: _scored(work, name, split, logits[name]) for name, split in held_out.items()}
    tuned = None
    if evaluate.tunes:
        thresholds, calibrate = evaluate.thresholds == "tuned", evaluate.calibration != "none"
        tuned = tune(splits["validation"], Decision(), thresholds=thresholds, calibrate=calibrate)
        on = {"split": tuned.split, "images": len(splits["validation"])}
        write_decision(work.folder.model, tuned.decision, work.splits.labels, on)
    decision = tuned.decision if tuned else Decision()
    judge = Judge(decision, evaluate.threshold, evaluate.top_k, tuned)
    write_outcome(work.folder, judge, list(splits.values()))


def _scored(work: Work, name: str, split: Any, logits: np.ndarray) -> Scored:
    together = work.splits.together(name)
    return Scored(name, work.task.name, work.splits.labels, split["path"], logits, targets(split), together)


def derived_values(work: Work, trainer: ClassifierTrainer) -> dict[str, Any]:
    """Values that follow from the recipe, the data and the machine."""
    steps = trainer.loader.batch_sampler.steps  # type: ignore[union-attr]
    return {
        "optim": {**dataclasses.asdict(work.settings), "layer_decay": layer_decay(work, trainer.classifier)},
        "augmentation": dataclasses.asdict(work.augmentation),
        "class_weights": work.task.class_weights,
        "pos_weight": getattr(work.task, "pos_weight", None),
        "steps_per_epoch": steps,
        "images_per_forward_pass": trainer.args.per_device_train_batch_size,
        "accumulation_steps": trainer.args.gradient_accumulation_steps,
        "loader_workers": trainer.loader.num_workers,
        "best_metric": best_metric(work.recipe),
    }


def best_step(work: Work, trainer: ClassifierTrainer) -> dict[str, Any]:
    """Which step's weights were saved, and what they scored during training."""
    state = trainer.state
    weights = {"weights": trainer.average.better} if trainer.average else {}
    if state.best_global_step:
        return {"step": state.best_global_step, best_metric(work.recipe): state.best_metric, **weights}
    return {"step": state.global_step, **weights}
