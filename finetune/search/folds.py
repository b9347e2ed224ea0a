"""Cross-validation: a run for each fold, and what they say together."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from finetune.data import load_splits
from finetune.errors import DataError, RecipeError, RunFolderError
from finetune.evaluation import Judge, label_errors
from finetune.model.decision import Decision, read_decision
from finetune.predict import worth_seeing
from finetune.recipe import Recipe, with_overrides
from finetune.report import write_report
from finetune.run_folder import RunFolder, write_members
from finetune.search.leftovers import drop_checkpoints
from finetune.search.out_of_fold import SPLIT, out_of_fold_lines, scored_lines, thresholds_of
from finetune.search.space import without_origin
from finetune.search.spread import mean_and_interval
from finetune.training import Interrupted, train
from finetune.training.checkpoints import last_complete
from finetune.training.hardware import choose_hardware
from finetune.training.processes import from_main, join_processes, main_first, wait_for_all
from finetune.training.resuming import Plan, open_folder, plan_run, run_name, same_data

SUFFIX = "-crossval"
KEY, TYPED = "data.split.folds:", "--folds (in Python folds=, in a recipe data.split.folds):"


def crossval(
    recipe: Recipe, folds: int = 5, *, fallback: bool = True, resume: bool = False, overwrite: bool = False
) -> RunFolder:
    """Cut all images into folds, and train as often, each time without one fold, on which the model is then measured.

    The fold that is held out never picks a model: validation, a fraction of the other folds, does; with
    ``data.split.validation: 0`` the last weights are taken. Each fold is an ordinary run in a folder of its own below
    ``NAME-crossval``, which opens as the ensemble of all of them.

    The checkpoints of a fold are deleted when it is finished: nobody goes on with them, and they are as large as three
    models each. ``run.keep_checkpoints`` says how many there are meanwhile.

    Args:
        recipe: As it was loaded; the folds take the place of ``data.split.test``. ``run.max_minutes`` counts for each
            fold.
        folds: At least 2, and not more than the smallest class has images (or groups).
        fallback: Where checkpoint or data cannot be reached, apply the recipe's ``offline`` section, in every fold.
        resume: Go on with the newest interrupted cross-validation of this recipe; finished folds stay as they are.
        overwrite: Replace the cross-validation of that name instead of numbering a new one.
    Returns:
        The folder: ``metrics.json`` holds ``folds`` (the metrics of each), ``mean``, ``interval`` (95 %) and
        ``out_of_fold`` (the metrics of all images at once, each predicted by the model that did not train on it);
        ``predictions.jsonl`` has a line for each image, with its ``fold``.
    Raises:
        FinetuneError: something that the user can mend.
        Interrupted: a signal asked to stop.
    """
    hardware = choose_hardware(recipe)
    join_processes(hardware)
    console = Console(stderr=True, highlight=False, quiet=not hardware.is_main)
    with _folds_named_as_typed():
        plan = from_main(lambda: _plan(recipe, folds, fallback, resume))
        if plan.notice:
            console.print(plan.notice, markup=False)
        with main_first():
            source = load_splits(plan.recipe).source  # so that faults are told before anything is made
    folder = from_main(lambda: open_folder(plan, overwrite))
    with _left_in_order(folder, hardware.is_main):
        if plan.interrupted:
            same_data(folder, source)
        if hardware.is_main:
            images = sum(source["counts"].values())
            folder.update_record({"folds": folds, "data": {**source, "counts": {SPLIT: images}}})
        runs = [_train_fold(plan.recipe, folder, fold, console) for fold in range(1, folds + 1)]
        if hardware.is_main:
            _gather(folder, runs, plan.recipe)
        wait_for_all()
    return folder


def _plan(recipe: Recipe, folds: int, fallback: bool, resume: bool) -> Plan:
    """What will be carried out, decided once for all folds; the offline section has no part in them afterwards."""
    cut = {"data.split.test": 0.0, "data.split.folds": folds, "data.split.fold": 1}
    whole = _changed(recipe, {**cut, "run.name": f"{run_name(recipe)}{SUFFIX}"})
    offline = {key: value for key, value in recipe.offline.items() if key not in cut}
    if resume:
        _same_folds(RunFolder.find_interrupted(whole.run.root, run_name(whole)), folds)
    plan = plan_run(whole.model_copy(update={"offline": offline}), fallback=fallback, resume=resume)
    return dataclasses.replace(plan, recipe=_changed(plan.recipe, cut))


def _changed(recipe: Recipe, overrides: Mapping[str, Any]) -> Recipe:
    """With keys changed and without its offline section, of which an override would drop whatever it touches."""
    return with_overrides(recipe.model_copy(update={"offline": {}}), overrides)


def _same_folds(folder: RunFolder, folds: int) -> None:
    before = folder.read_record().get("requested", {}).get("data", {}).get("split", {}).get("folds", folds)
    if before != folds:
        raise RunFolderError(
            f"{folder}: cannot be resumed with {folds} folds, it began with {before}; give --folds {before} (in Python "
            f"folds={before}), or leave out --resume to start a new cross-validation"
        )


@contextmanager
def _folds_named_as_typed() -> Iterator[None]:
    """What is wrong with the number of folds is said of the option, which the user wrote, and not of the key alone."""
    try:
        yield
    except RecipeError as error:
        if not any(fault.startswith(KEY) for fault in error.faults):
            raise
        raise RecipeError([_typed(fault) for fault in without_origin(error)], "crossval") from None
    except DataError as error:
        raise DataError(_typed(str(error))) from error


def _typed(text: str) -> str:
    """The option cannot be null, as the key can."""
    return text.replace(KEY, TYPED).removesuffix(", or null") if KEY in text else text


@contextmanager
def _left_in_order(folder: RunFolder, is_main: bool) -> Iterator[None]:
    """Whatever ends it early: with a fold begun it can be resumed, without one it leaves nothing behind."""
    try:
        yield
    except BaseException as error:
        if is_main and any(folder.path.glob("fold-*")):
            folder.update_record({"status": "interrupted"})
        elif is_main:
            folder.discard()
        if isinstance(error, Interrupted):
            again = f"crossval --resume --folds {folder.read_record().get('folds')}"
            raise Interrupted(f"{error} ({again} goes on with all of {folder})") from error
        raise


def _train_fold(recipe: Recipe, folder: RunFolder, fold: int, console: Console) -> RunFolder:
    """The finished run of a fold: as it is there, gone on with, or trained anew."""
    run = RunFolder(folder.path / f"fold-{fold}")
    finished, begun = from_main(lambda: (_is_finished(run), last_complete(run.checkpoints)[0] is not None))
    console.print(f"fold {fold} of {recipe.data.split.folds}{' was finished before' if finished else ''}")
    if not finished:
        own = {"data.split.fold": fold, "run.root": str(folder.path), "run.name": run.path.name}
        train(with_overrides(recipe, own), fallback=False, resume=begun, overwrite=not begun)
    from_main(lambda: drop_checkpoints(run.checkpoints))  # also those of a process that was killed right here
    return run


def _is_finished(run: RunFolder) -> bool:
    return run.record.exists() and run.status == "finished"


def _gather(folder: RunFolder, runs: list[RunFolder], recipe: Recipe) -> None:
    """Write what the folds say together."""
    by_fold = [run.read_metrics()["test"] for run in runs]
    mean, interval = mean_and_interval(by_fold)
    lines, names = out_of_fold_lines(runs), tuple(by_fold[0]["per_class"])
    folder.write_predictions(lines)
    scored = scored_lines(lines, names, recipe.task)
    decisions = [read_decision(run.model, scored.labels) for run in runs]
    threshold = thresholds_of(lines, decisions, names, recipe.evaluate.threshold)
    judge = Judge(Decision(), threshold, recipe.evaluate.top_k)
    together = judge.metrics(scored)
    folder.write_metrics({"folds": by_fold, "mean": mean, "interval": interval, SPLIT: together})
    folder.write_reliability({SPLIT: judge.reliability(scored)})
    folder.write_label_errors(label_errors([scored]))
    _gather_pictures(folder, runs, lines, recipe.task)
    write_members(folder.path, [run.path.name for run in runs])
    folder.update_record({"status": "finished"})
    write_report(folder)


def _gather_pictures(folder: RunFolder, runs: list[RunFolder], lines: list[dict[str, Any]], task: str) -> None:
    """Of what the folds drew, the pictures that are worth seeing among all images; they stay where they are."""
    files: dict[str, dict[str, str]] = {}
    images = Counter(line["fold"] for line in lines)
    for fold, run in enumerate(runs, start=1):
        before = sum(images[earlier] for earlier in range(1, fold))
        for place, names in run.read_pictures().get("test", {}).get("files", {}).items():
            own = {what: f"../{run.path.name}/pictures/{name}" for what, name in names.items()}
            files[str(before + int(place))] = own
    suspected = [row["path"] for row in folder.read_label_errors()["images"]]
    folder.write_pictures({SPLIT: {"kinds": worth_seeing(lines, task, suspected), "files": files}})
