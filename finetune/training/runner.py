"""Recipe -> Trainer -> run folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from transformers import TrainerCallback

from finetune.data import Splits, load_splits, targets
from finetune.data.decoded import DecodedImages
from finetune.metrics import check_metric, score_metrics
from finetune.model import (
    LoadedModel,
    Task,
    choose_task,
    load_with_new_head,
    open_saved,
    save_model,
    set_attention,
    set_trainable,
)
from finetune.pixels import Augmentation, TrainingCrop, choose_augmentation
from finetune.predict import Precision, prediction_rows
from finetune.recipe import Recipe
from finetune.run_folder import RunFolder
from finetune.training.arguments import best_metric, optimizer_args, training_arguments
from finetune.training.batches import GlobalBatches, TrainingImages, choose_workers, training_loader
from finetune.training.checkpoints import last_complete
from finetune.training.hardware import Hardware, choose_hardware
from finetune.training.history import KeepHistory, MarkCheckpoints
from finetune.training.memory import fit_in_memory
from finetune.training.objective import LearnLabels
from finetune.training.presets import Settings, choose_settings
from finetune.training.probe import fit_probe, probe_logits
from finetune.training.processes import from_main, join_processes, main_first, wait_for_all
from finetune.training.progress import ShowProgress
from finetune.training.record import Phases, describe_model, describe_start
from finetune.training.resuming import Plan, checkpoint_to_resume, open_folder, plan_run, same_data
from finetune.training.scoring import score_together
from finetune.training.stopping import Interrupted, StopOnSignal, StopOnTime, StopWithoutProgress, requeue_hint
from finetune.training.tracking import check_trackers, trackers
from finetune.training.trainer import ClassifierTrainer


def train(
    recipe: Recipe,
    *,
    fallback: bool = True,
    resume: bool = False,
    overwrite: bool = False,
    listeners: Sequence[TrainerCallback] = (),
) -> RunFolder:
    """Fine-tune as the recipe says; the run folder holds all that is needed to repeat it.

    Args:
        recipe: As it was loaded.
        fallback: Where checkpoint or data cannot be reached, apply the recipe's ``offline`` section.
        resume: Go on with the newest interrupted run of this recipe.
        overwrite: Replace the run folder of that name instead of numbering a new one.
        listeners: Further callbacks of the Trainer.
    Raises:
        FinetuneError: something that the user can mend.
        Interrupted: a signal asked to stop; a checkpoint was saved.
    """
    check_trackers(recipe)
    hardware = choose_hardware(recipe)
    join_processes(hardware)
    console = Console(stderr=True, highlight=False, quiet=not hardware.is_main)
    plan = from_main(lambda: plan_run(recipe, fallback=fallback, resume=resume))
    if plan.notice:
        console.print(plan.notice, markup=False)
    phases = Phases()
    with phases("data"), main_first():
        splits = load_splits(plan.recipe)
    settings = choose_settings(plan.recipe, len(splits.datasets["train"]))
    folder = from_main(lambda: open_folder(plan, overwrite))
    work = Work(plan, folder, hardware, splits, settings, choose_task(plan.recipe), console, phases, tuple(listeners))
    with left_in_order(folder, hardware):
        work.note_start()
        if plan.recipe.model.train == "probe":
            return work.finish(fit_probe(work))
        loaded = fit_in_memory(plan.recipe, settings.batch_size, hardware.processes, work.fit, console.print)
        return work.finish(loaded)


@contextmanager
def left_in_order(folder: RunFolder, hardware: Hardware) -> Iterator[None]:
    """Whatever ends a run early: one that saved a checkpoint can be resumed, one that did not leaves nothing behind."""
    try:
        yield
    except BaseException:
        if hardware.is_main:
            if last_complete(folder.checkpoints)[0] is not None:
                folder.update_record({"status": "interrupted"})
            else:
                folder.discard()
        raise


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

    def note_start(self) -> None:
        """Record versions, hardware and data; refuse a metric that these classes lack, or resuming on other data."""
        check_metric(
            best_metric(self.recipe), self.task.name, self.recipe.evaluate.top_k, classes=len(self.splits.labels)
        )
        if self.plan.interrupted:
            same_data(self.folder, self.splits.source)
        self.note(describe_start(self.hardware, self.splits))
        for line in self.hardware.notes:
            self.console.print(line)

    # ------------------------------------------------------------ training

    def fit(self, accumulation_steps: int) -> LoadedModel:
        """Train to the end, and return the best model."""
        with self.phases("model"), main_first():
            loaded = load_with_new_head(self.recipe, self.splits.labels, self.task)
        attention = self.hardware.attention(self.recipe.model.attention)
        set_attention(loaded.model, attention)
        set_trainable(loaded.model, self.recipe.model)
        stop = StopOnSignal()
        progress = ShowProgress(
            self.task.name, len(self.splits.datasets["train"]), best_metric(self.recipe), self.console
        )
        trainer = self.build_trainer(loaded, accumulation_steps, [stop, progress])
        self.note({**describe_model(loaded, attention), "derived": self.derived(trainer)})
        self.say_preprocessing(loaded)
        self.run_trainer(trainer, stop, progress)
        self.note({"best": self.best(trainer), "images_per_second": round(progress.speed, 2)})
        return loaded

    def say_preprocessing(self, loaded: LoadedModel) -> None:
        """Say where preprocessing is not what the checkpoint's file says."""
        if loaded.source.get("preprocessing_note"):
            self.console.print(f"preprocessing: {loaded.source['preprocessing_note']}", markup=False)

    def build_trainer(self, loaded: LoadedModel, accumulation_steps: int, callbacks: list[Any]) -> ClassifierTrainer:
        """The Trainer with its batches, its measure and its callbacks."""
        recipe, hardware = self.recipe, self.hardware
        images = DecodedImages(self.splits.datasets["train"], recipe.data.keep_decoded_mb)
        crop = TrainingCrop(self.augmentation, loaded.pixels)
        training = TrainingImages(images, targets(self.splits.datasets["train"]), crop, recipe.run.seed)
        batches = GlobalBatches(
            len(images),
            self.settings.batch_size,
            accumulation_steps,
            hardware.rank,
            hardware.processes,
            recipe.run.seed,
            self.augmentation.repeats,
        )
        workers = choose_workers(recipe.data.workers, images.all_kept)
        arguments = training_arguments(
            recipe,
            self.settings,
            hardware,
            self.folder.checkpoints,
            accumulation_steps,
            evaluates="validation" in self.splits.datasets,
        )
        return ClassifierTrainer(
            model=loaded.model,
            args=arguments,
            loader=training_loader(training, batches, workers, pin_memory=hardware.device_type == "cuda"),
            task=self.task,
            pixels=loaded.pixels,
            vary=lambda batch: batch,
            objective=LearnLabels(self.task),
            optimizer_args=optimizer_args(recipe, self.settings),
            measure=self.measure(loaded, arguments.device) if arguments.eval_strategy != "no" else None,
            callbacks=[*callbacks, *self.callbacks()],
        )

    def callbacks(self) -> list[Any]:
        """What listens to the Trainer, by what the recipe asks for."""
        recipe, evaluate = self.recipe, self.recipe.evaluate
        listeners: list[Any] = [MarkCheckpoints(), KeepHistory(self.folder, self.evaluation_precision), *self.listeners]
        if recipe.run.max_minutes is not None:
            listeners.append(StopOnTime(recipe.run.max_minutes))
        if evaluate.patience is not None:
            listeners.append(StopWithoutProgress(best_metric(recipe), evaluate.patience, evaluate.min_improvement))
        return listeners + (trackers(recipe, self.folder) if self.hardware.is_main else [])

    def run_trainer(self, trainer: ClassifierTrainer, stop: StopOnSignal, progress: ShowProgress) -> None:
        """Train, from a checkpoint where there is one.

        Raises:
            Interrupted: a signal asked for it.
        """
        checkpoint = self.checkpoint_to_resume() if self.plan.interrupted else None
        try:
            with self.phases("training"):
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        finally:
            stop.restore()
            progress.close()
        if stop.stopped:
            self.note({"status": "interrupted", "seconds": self.phases.seconds})
            raise Interrupted(
                f"stopped after step {trainer.state.global_step} of {trainer.state.max_steps}; "
                f"{self.folder} goes on with --resume{requeue_hint()}"
            )

    def checkpoint_to_resume(self) -> Path | None:
        """The newest whole checkpoint, the same for all processes."""
        return from_main(lambda: checkpoint_to_resume(self.folder, self.console.print))

    # ------------------------------------------------------------ measuring

    @property
    def evaluation_precision(self) -> Precision:
        """Arithmetic of evaluations during training; the final ones have ``evaluate.precision``."""
        return self.hardware.scoring_precision

    def measure(self, loaded: LoadedModel, device: torch.device) -> Any:
        """A function that gives the validation metrics of a model as it is."""
        validation = self.splits.datasets["validation"]
        images = DecodedImages(validation, self.recipe.data.keep_decoded_mb)
        truth = targets(validation)

        def metrics_of(model: torch.nn.Module) -> dict[str, Any]:
            logits = self.score(model, images, loaded, device, self.evaluation_precision)
            return self.metrics(logits, truth)

        return metrics_of

    def score(
        self,
        model: torch.nn.Module,
        images: DecodedImages,
        loaded: LoadedModel,
        device: torch.device,
        precision: Precision,
    ) -> np.ndarray:
        """Logits of a split by all processes."""
        size = self.images_per_pass(device)
        return score_together(
            model, images, loaded.pixels, self.hardware, batch_size=size, device=device, precision=precision
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

    # ------------------------------------------------------------ the end

    def finish(self, loaded: LoadedModel) -> RunFolder:
        """Save the model, open it again, and report what the saved one scores."""
        device = next(loaded.model.parameters()).device
        if self.hardware.is_main:
            save_model(loaded.model, loaded.pixels, self.folder.model)
        wait_for_all()
        with self.phases("evaluation"):
            saved = open_saved(self.folder.model)
            saved.model.to(device)  # type: ignore[arg-type]
            held_out = {name: split for name, split in self.splits.datasets.items() if name != "train"}
            logits = {name: self._final_logits(saved, name, device) for name in held_out}
        if self.hardware.is_main:
            self._write_results(held_out, logits)
        self.note({"status": "finished", "seconds": self.phases.seconds})
        wait_for_all()
        return self.folder

    def _final_logits(self, saved: LoadedModel, split: str, device: torch.device) -> np.ndarray:
        if self.recipe.model.train == "probe" and not self.recipe.evaluate.flip:
            return probe_logits(self, saved, split)  # costs no forward pass where the features are known
        images = DecodedImages(self.splits.datasets[split], self.recipe.data.keep_decoded_mb)
        return self.score(saved.model, images, saved, device, self.recipe.evaluate.precision)

    def _write_results(self, held_out: dict[str, Any], logits: dict[str, np.ndarray]) -> None:
        truth = {name: targets(split) for name, split in held_out.items()}
        self.folder.write_metrics({name: self.metrics(logits[name], truth[name]) for name in held_out})
        rows = (
            row
            for name, split in held_out.items()
            for row in prediction_rows(
                name,
                split["path"],
                truth[name],
                logits[name],
                self.splits.labels,
                self.task,
                self.recipe.evaluate.threshold,
            )
        )
        self.folder.write_predictions(rows)

    # ------------------------------------------------------------ what is recorded

    def derived(self, trainer: ClassifierTrainer) -> dict[str, Any]:
        """Values that follow from the recipe, the data and the machine."""
        steps = trainer.loader.batch_sampler.steps  # type: ignore[union-attr]
        return {
            "optim": dataclasses.asdict(self.settings),
            "augmentation": dataclasses.asdict(self.augmentation),
            "steps_per_epoch": steps,
            "images_per_forward_pass": trainer.args.per_device_train_batch_size,
            "accumulation_steps": trainer.args.gradient_accumulation_steps,
            "loader_workers": trainer.loader.num_workers,
            "best_metric": best_metric(self.recipe),
        }

    def best(self, trainer: ClassifierTrainer) -> dict[str, Any]:
        """Which step's weights were saved, and what they scored during training."""
        state = trainer.state
        if state.best_global_step:
            return {"step": state.best_global_step, best_metric(self.recipe): state.best_metric}
        return {"step": state.global_step}
