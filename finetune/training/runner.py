"""Recipe -> Trainer -> run folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from transformers import TrainerCallback

from finetune.data import load_splits, targets
from finetune.metrics import check_metric
from finetune.model import (
    LoadedModel,
    choose_task,
    learned,
)
from finetune.model.lora import check_peft
from finetune.pixels.augmentation.mixing import check_labels_can_mix, check_pieces_can_mix
from finetune.recipe import Recipe
from finetune.recipe.settings import choose_settings
from finetune.run_folder import RunFolder
from finetune.training.arguments import best_metric, check_evaluations_are_compared
from finetune.training.assembly import build_trainer, load
from finetune.training.checkpoints import last_complete
from finetune.training.hardware import Hardware, choose_hardware
from finetune.training.memory import fit_in_memory
from finetune.training.probe import fit_probe
from finetune.training.processes import from_main, join_processes, main_first
from finetune.training.progress import ShowProgress
from finetune.training.record import Phases, describe_model, describe_start
from finetune.training.results import best_step, derived_values, finish
from finetune.training.resuming import checkpoint_to_resume, open_folder, plan_run, same_data
from finetune.training.stopping import Interrupted, SomeEpochs, StopOnSignal, requeue_hint
from finetune.training.tracking import check_trackers
from finetune.training.trainer import ClassifierTrainer
from finetune.training.work import Work


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
        note_start(work)
        if plan.recipe.model.train == "probe":
            return finish(work, fit_probe(work))
        attempt = partial(fit, work)
        loaded = fit_in_memory(plan.recipe, settings.batch_size, hardware.processes, attempt, console.print)
        return finish(work, loaded)


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


def note_start(work: Work) -> None:
    """Record versions, hardware and data; refuse a metric that these classes lack, keys that compare evaluations where
    there are none, labels or pieces of a batch that cannot be mixed, or resuming on other data."""
    check_metric(best_metric(work.recipe), work.task.name, work.recipe.evaluate.top_k, classes=len(work.splits.labels))
    check_evaluations_are_compared(work.recipe, "validation" in work.splits.datasets)
    check_labels_can_mix(work.augmentation, targets(work.splits.datasets["train"]))
    pieces = work.recipe.optim.accumulation_steps
    check_pieces_can_mix(work.augmentation, work.settings.batch_size, pieces, work.hardware.processes)
    if work.plan.interrupted:
        same_data(work.folder, work.splits.source)
    work.note(describe_start(work.hardware, work.splits))
    if work.hardware.is_main:
        work.folder.write_digests(work.splits.contents)
    for line in work.hardware.notes:
        work.console.print(line)


def fit(work: Work, accumulation_steps: int) -> LoadedModel:
    """Train to the end, and return the best model."""
    loaded = load(work)
    stop = StopOnSignal()
    progress = ShowProgress(work.task.name, len(work.splits.datasets["train"]), best_metric(work.recipe), work.console)
    trainer = build_trainer(
        work, loaded, accumulation_steps, [stop, SomeEpochs(work.evaluation_epochs, stop), progress]
    )
    work.note({**describe_model(loaded, work.attention), "derived": derived_values(work, trainer)})
    work.say_preprocessing(loaded)
    run_trainer(work, trainer, stop, progress)
    work.note({"best": best_step(work, trainer), "images_per_second": round(progress.speed, 2)})
    return learned(loaded)


def run_trainer(work: Work, trainer: ClassifierTrainer, stop: StopOnSignal, progress: ShowProgress) -> None:
    """Train, from a checkpoint where there is one.

    Raises:
        Interrupted: a signal asked for it.
    """
    checkpoint = None
    if work.plan.interrupted:
        checkpoint = from_main(lambda: checkpoint_to_resume(work.folder, work.console.print))
    try:
        with work.phases("training"):
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        stop.restore()
        progress.close()
    if stop.stopped:
        work.note({"status": "interrupted", "seconds": work.phases.seconds})
        raise Interrupted(
            f"stopped after step {trainer.state.global_step} of {trainer.state.max_steps}; "
            f"{work.folder} goes on with --resume{requeue_hint()}"
        )
