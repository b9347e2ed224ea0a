"""Recipe -> Trainer -> run folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from rich.console import Console
from transformers import TrainerCallback

from finetune.data import Splits, load_splits, targets
from finetune.data.decoded import DecodedImages
from finetune.metrics import check_metric, higher_is_better, score_metrics
from finetune.model import (
    LoadedModel,
    Task,
    choose_task,
    learned,
    load_with_new_head,
    open_saved,
    ready_to_learn,
    save_model,
    set_attention,
)
from finetune.model.blocks import find_row
from finetune.model.lora import check_peft
from finetune.pixels import Augmentation, TrainingCrop, choose_augmentation
from finetune.pixels.augmentation.device import DeviceAugmentation
from finetune.pixels.augmentation.mixing import check_labels_can_mix
from finetune.predict import Precision, prediction_rows
from finetune.predict.scoring import Pixels
from finetune.recipe import Recipe
from finetune.run_folder import RunFolder
from finetune.training.arguments import best_metric, optimizer_args, training_arguments
from finetune.training.averaging import AverageWeights
from finetune.training.batches import GlobalBatches, TrainingImages, choose_workers, training_loader
from finetune.training.checkpoints import last_complete
from finetune.training.hardware import Hardware, choose_hardware
from finetune.training.history import KeepHistory, MarkCheckpoints
from finetune.training.memory import fit_in_memory
from finetune.training.objective import LearnFromTeacher, LearnLabels, Objective
from finetune.training.parameter_groups import rate_factors
from finetune.training.presets import Settings, choose_settings
from finetune.training.probe import fit_probe, probe_logits
from finetune.training.processes import from_main, join_processes, main_first, wait_for_all
from finetune.training.progress import ShowProgress
from finetune.training.record import Phases, describe_model, describe_start
from finetune.training.resuming import Plan, checkpoint_to_resume, open_folder, plan_run, same_data
from finetune.training.sampling import balanced_chances
from finetune.training.scoring import score_together
from finetune.training.stopping import Interrupted, StopOnSignal, StopOnTime, StopWithoutProgress, requeue_hint
from finetune.training.teacher import Answers, KeptAnswers, Teacher, load_teacher
from finetune.training.tracking import check_trackers, trackers
from finetune.training.trainer import ClassifierTrainer, whole_weights
from finetune.training.unfreezing import UnfreezeGradually


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
    check_peft(recipe.model)
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
    task = choose_task(plan.recipe, splits.labels, targets(splits.datasets["train"]))
    folder = from_main(lambda: open_folder(plan, overwrite))
    work = Work(plan, folder, hardware, splits, settings, task, console, phases, tuple(listeners))
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
        """Record versions, hardware and data; refuse a metric that these classes lack, labels that cannot be mixed, or
        resuming on other data."""
        check_metric(
            best_metric(self.recipe), self.task.name, self.recipe.evaluate.top_k, classes=len(self.splits.labels)
        )
        check_labels_can_mix(self.augmentation, targets(self.splits.datasets["train"]))
        if self.plan.interrupted:
            same_data(self.folder, self.splits.source)
        self.note(describe_start(self.hardware, self.splits))
        for line in self.hardware.notes:
            self.console.print(line)

    # ------------------------------------------------------------ training

    def fit(self, accumulation_steps: int) -> LoadedModel:
        """Train to the end, and return the best model."""
        loaded = self.load()
        stop = StopOnSignal()
        progress = ShowProgress(
            self.task.name, len(self.splits.datasets["train"]), best_metric(self.recipe), self.console
        )
        trainer = self.build_trainer(loaded, accumulation_steps, [stop, progress])
        self.note({**describe_model(loaded, self.attention), "derived": self.derived(trainer)})
        self.say_preprocessing(loaded)
        self.run_trainer(trainer, stop, progress)
        self.note({"best": self.best(trainer), "images_per_second": round(progress.speed, 2)})
        return learned(loaded)

    @property
    def attention(self) -> Literal["eager", "sdpa"]:
        """How attention is computed while training."""
        return self.hardware.attention(self.recipe.model.attention)

    def load(self) -> LoadedModel:
        """The recipe's model, ready to learn."""
        with self.phases("model"), main_first():
            loaded = load_with_new_head(self.recipe, self.splits.labels, self.task)
        set_attention(loaded.model, self.attention)
        return ready_to_learn(loaded, self.recipe)

    def say_preprocessing(self, loaded: LoadedModel) -> None:
        """Say where preprocessing is not what the checkpoint's file says."""
        if loaded.source.get("preprocessing_note"):
            self.console.print(f"preprocessing: {loaded.source['preprocessing_note']}", markup=False)

    def build_trainer(self, loaded: LoadedModel, accumulation_steps: int, callbacks: list[Any]) -> ClassifierTrainer:
        """The Trainer with its batches, its measure and its callbacks."""
        recipe, hardware = self.recipe, self.hardware
        images = DecodedImages(self.splits.datasets["train"], recipe.data.keep_decoded_mb)
        crop = TrainingCrop(self.augmentation, loaded.pixels)
        truth = targets(self.splits.datasets["train"])
        training = TrainingImages(images, truth, crop, recipe.run.seed)
        batches = GlobalBatches(
            len(images),
            self.settings.batch_size,
            accumulation_steps,
            hardware.rank,
            hardware.processes,
            recipe.run.seed,
            self.augmentation.repeats,
            balanced_chances(truth) if recipe.data.sampling == "balanced" else None,
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
            vary=DeviceAugmentation(self.augmentation, loaded.pixels, len(self.splits.labels)),
            objective=self.objective(loaded, images, arguments.device),
            optimizer_args=optimizer_args(recipe, self.settings),
            measure=self.measure(loaded, arguments.device) if arguments.eval_strategy != "no" else None,
            callbacks=[*callbacks, *self.unfreezing(loaded), *self.callbacks()],
            rate_factors=rate_factors(loaded.model, self.layer_decay(loaded.model), recipe.optim.head_multiplier),
            average=self.average(),
        )

    def layer_decay(self, model: torch.nn.Module) -> float:
        """The recipe's, or the preset's where the architecture has blocks that it could count."""
        given = self.recipe.optim.layer_decay is not None or find_row(model) is not None
        return self.settings.layer_decay if given else 1.0

    def unfreezing(self, loaded: LoadedModel) -> list[Any]:
        """The callback that lets one block after the other learn, where the recipe asks for it."""
        span = self.recipe.optim.unfreeze_every_epochs
        return [] if span is None else [UnfreezeGradually(loaded.model, span)]

    def average(self) -> AverageWeights | None:
        """The average of the weights, where the recipe asks for it."""
        decay, metric = self.recipe.optim.ema_decay, best_metric(self.recipe)
        return None if decay is None else AverageWeights(decay, metric, higher_is_better(metric))

    def objective(self, loaded: LoadedModel, images: DecodedImages, device: torch.device) -> Objective:
        """What a step minimises; a teacher, where the recipe names one, is loaded and recorded."""
        distill = self.recipe.distill
        if distill is None:
            return LearnLabels(self.task)
        with self.phases("model"), main_first():
            teacher = load_teacher(distill, self.splits.labels, self.task, loaded.pixels, self.hardware.precision)
        teacher.model.to(device)  # type: ignore[arg-type]
        set_attention(teacher.model, self.hardware.attention("auto"))
        self.note({"teacher": {**teacher.source, "looks": "anew" if self.augmentation.varies else "once"}})
        answers = teacher if self.augmentation.varies else self.ask_once(teacher, images, device)
        return LearnFromTeacher(self.task, answers, distill.kind, distill.temperature, distill.weight)

    def ask_once(self, teacher: Teacher, images: DecodedImages, device: torch.device) -> Answers:
        """The teacher's answers on images that never vary, asked for in advance.

        In the passes of an evaluation, which all processes share: an image's answer then depends neither on the
        batch that it comes in nor on where a run was resumed.
        """
        self.console.print(f"the teacher looks at {len(images):,} images once")
        with self.phases("teacher"):
            logits = self.score(teacher.model, images, teacher.pixels, device, self.evaluation_precision)
        return KeptAnswers.of(teacher, logits, device)

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
            logits = self.score(model, images, loaded.pixels, device, self.evaluation_precision)
            return self.metrics(logits, truth)

        return metrics_of

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

    # ------------------------------------------------------------ the end

    def finish(self, loaded: LoadedModel) -> RunFolder:
        """Save the model, open it again, and report what the saved one scores."""
        device = next(loaded.model.parameters()).device
        weights = whole_weights(loaded.model)
        if self.hardware.is_main:
            save_model(loaded.model, loaded.pixels, self.folder.model, weights)
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
        evaluate = self.recipe.evaluate
        return self.score(saved.model, images, saved.pixels, device, evaluate.precision, evaluate.flip)

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
            "optim": {**dataclasses.asdict(self.settings), "layer_decay": self.layer_decay(trainer.classifier)},
            "augmentation": dataclasses.asdict(self.augmentation),
            "class_weights": self.task.class_weights,
            "pos_weight": getattr(self.task, "pos_weight", None),
            "steps_per_epoch": steps,
            "images_per_forward_pass": trainer.args.per_device_train_batch_size,
            "accumulation_steps": trainer.args.gradient_accumulation_steps,
            "loader_workers": trainer.loader.num_workers,
            "best_metric": best_metric(self.recipe),
        }

    def best(self, trainer: ClassifierTrainer) -> dict[str, Any]:
        """Which step's weights were saved, and what they scored during training."""
        state = trainer.state
        weights = {"weights": trainer.average.better} if trainer.average else {}
        if state.best_global_step:
            return {"step": state.best_global_step, best_metric(self.recipe): state.best_metric, **weights}
        return {"step": state.global_step, **weights}
