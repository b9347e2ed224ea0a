"""A sweep: many runs of one recipe, each with other values of what ``search.space`` names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from finetune.data import load_splits
from finetune.errors import DataError, FinetuneError, HardwareError, RecipeError, RunFolderError, TrainingError
from finetune.fallback import reach
from finetune.metrics import check_metric
from finetune.recipe import Recipe, dump_recipe, with_overrides
from finetune.run_folder import RunFolder
from finetune.run_folder.json_files import write_text
from finetune.search.extras import need
from finetune.search.leftovers import drop_checkpoints
from finetune.search.space import check_space, draw, without_origin
from finetune.search.study import INTERRUPTED, ended, open_study, ranked, sampler_of
from finetune.search.tables import values_line
from finetune.training import Interrupted, train
from finetune.training.arguments import best_metric
from finetune.training.hardware import process_place
from finetune.training.resuming import run_name

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

SUFFIX = "-sweep"


@dataclass(frozen=True)
class Sweep:
    """What a sweep has found so far.

    Args:
        folder: ``NAME-sweep``, with a run folder for each trial that was trained here.
        metric: What trials are compared by, on the validation split.
        trials: Completed ones, the best first: ``number``, ``value``, ``values`` by dotted key, ``run``.
        pruned, failed: How many trials were stopped early, or failed.
        best: The best recipe's file.
    """

    folder: Path
    metric: str
    trials: list[dict[str, Any]]
    pruned: int
    failed: int
    best: Path


def sweep(recipe: Recipe, trials: int = 20, *, storage: str | None = None, fallback: bool = True) -> Sweep:
    """Train until the study has so many trials, those of earlier calls and of other machines counted.

    A trial that runs out of memory or diverges, or whose values do not go together, is recorded as failed, and the
    sweep goes on. One that is interrupted does not count: its run is deleted, and its values are tried again, from the
    beginning and on whatever machine comes first, when the sweep goes on. ``best.yaml`` is written after every trial.
    No trial's checkpoints are kept, whatever ``run.keep_checkpoints`` says: they are as large as three models each.

    Args:
        recipe: With a ``search`` section.
        trials: That the study shall have.
        storage: Database URL, for machines that share one study; by default a SQLite file in the folder.
        fallback: Where checkpoint or data cannot be reached, apply the recipe's ``offline`` section, to all trials.
    Raises:
        RecipeError: optuna is missing, the space has faults, or the database cannot be opened.
        RunFolderError: the study is another recipe's.
        DataError: the study was begun on other images or labels, or there is no validation split.
        TrainingError: no trial was completed.
        FinetuneError: something else that the user can mend.
        Interrupted: a signal asked to stop; the same call goes on.
    """
    _refuse_processes()
    check_space(recipe)
    need("optuna", "sweep draws its trials with it")
    console = Console(stderr=True, highlight=False)
    base, source = _base(recipe, fallback, console)
    folder = _folder(base)
    study = open_study(base, run_name(base), storage, folder, source)
    while len(ended(study)) < trials:
        trial = study.ask()
        study.sampler = sampler_of(base, trial.number)
        values = draw(trial, base.search.space)
        begun = f"trial {trial.number} ({len(ended(study)) + 1} of {trials}): {values_line(values)}"
        console.print(begun, markup=False, soft_wrap=True)
        console.print(_Trial(study, trial, base, folder).carry_out(values), markup=False, soft_wrap=True)
        _write_best(study, base, folder)
    return _found(study, base, folder)


def _refuse_processes() -> None:
    if process_place()[1] > 1:
        raise HardwareError(
            "sweep trains each trial in one process, but was started by several together; start one sweep for each GPU "
            "instead, with the same --storage URL and CUDA_VISIBLE_DEVICES set to one of them"
        )


def _base(recipe: Recipe, fallback: bool, console: Console) -> tuple[Recipe, dict[str, Any]]:
    """The recipe of all trials but for what varies, and the source of its data, which are known to be sound and to be
    able to compare trials."""
    reached = reach(recipe, strict=not fallback)
    if reached.notice:
        console.print(reached.notice, markup=False)
    base = reached.recipe.model_copy(update={"offline": {}})
    splits = load_splits(base)
    if "validation" not in splits.datasets:
        raise DataError(
            "data.split.validation: is 0, but a sweep compares trials on the validation split; hold some out"
        )
    check_metric(best_metric(base), base.task, base.evaluate.top_k, classes=len(splits.labels))
    return base, splits.source


def _folder(recipe: Recipe) -> Path:
    folder = (Path(recipe.run.root).expanduser() / f"{run_name(recipe)}{SUFFIX}").absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{folder}: the folder cannot be made: {error.strerror}; set run.root") from error
    return folder


@dataclass(frozen=True)
class _Trial:
    """One trial of a study: its run, and how it ended."""

    study: Study
    trial: Trial
    base: Recipe
    folder: Path

    def carry_out(self, values: dict[str, Any]) -> str:
        """Train, tell the study, and say what came out in a line."""
        from optuna.trial import TrialState

        hear = _ReportProgress(self.trial, best_metric(self.base))
        try:
            value = self._train(self._recipe(values), hear)
            self.trial.set_user_attr("values", values)
        except FinetuneError as error:
            _drop(hear)
            self.trial.set_user_attr("reason", str(error))
            self.study.tell(self.trial, state=TrialState.FAIL)
            return f"trial {self.trial.number}: failed: {error}"
        except BaseException as error:
            _drop(hear, whole=True)
            self._put_back()
            if isinstance(error, Interrupted):
                raise Interrupted(f"stopped in trial {self.trial.number}; the same command goes on") from error
            raise
        state = TrialState.PRUNED if hear.behind else TrialState.COMPLETE
        self.study.tell(self.trial, None if hear.behind else value, state=state)
        how = " (stopped early, behind the others)" if hear.behind else ""
        return f"trial {self.trial.number}: {best_metric(self.base)} {value:.4f}{how}"

    def _recipe(self, values: dict[str, Any]) -> Recipe:
        """The trial's recipe.

        Raises:
            RecipeError: each value is sound, but they do not go together.
        """
        own = {**values, "run.root": str(self.folder), "run.name": f"trial-{self.trial.number}"}
        try:
            return with_overrides(self.base, own)
        except RecipeError as error:
            raise RecipeError(without_origin(error), "the values do not go together") from None

    def _train(self, recipe: Recipe, hear: _ReportProgress) -> float:
        run = train(recipe, fallback=False, listeners=[hear])
        drop_checkpoints(run.checkpoints)
        self.trial.set_user_attr("run", run.path.name)
        value: float | None = run.read_metrics()["validation"][best_metric(self.base)]
        if value is None:
            raise TrainingError(f"{best_metric(self.base)} has no value on the validation split")
        return value

    def _put_back(self) -> None:
        """An interrupted trial does not count, and its values come first when the sweep goes on."""
        from optuna.trial import TrialState

        self.trial.set_user_attr(INTERRUPTED, True)
        self.study.enqueue_trial(self.trial.params)
        self.study.tell(self.trial, state=TrialState.FAIL)


def _drop(hear: _ReportProgress, whole: bool = False) -> None:
    """Delete the checkpoints of a training that came to nothing, or its whole run folder."""
    if hear.checkpoints is None:
        return
    drop_checkpoints(hear.checkpoints)
    if whole and hear.checkpoints.parent.is_dir():
        RunFolder(hear.checkpoints.parent).discard()


class _ReportProgress(TrainerCallback):
    """Tells the study each evaluation, and ends a training that is behind; its run is finished and scored all the same.

    ``checkpoints`` is the folder where the training saves them, once it has begun.

    Args:
        trial: Of the study.
        metric: What is told.
    """

    def __init__(self, trial: Trial, metric: str) -> None:
        self.trial, self.key, self.behind = trial, f"eval_{metric}", False
        self.checkpoints: Path | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.checkpoints = Path(str(args.output_dir))

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        value = kwargs["metrics"].get(self.key)
        if value is None or self.behind:
            return
        count = sum(self.key in entry for entry in state.log_history)
        self.trial.report(value, step=count)
        if state.global_step < state.max_steps and self.trial.should_prune():
            self.behind = control.should_training_stop = True


def _write_best(study: Study, base: Recipe, folder: Path) -> None:
    """``best.yaml``: the best trial's recipe, with a name of its own."""
    for best in ranked(study)[:1]:
        own = {**_values(best), "run.name": f"{run_name(base)}-best", "search.space": {}}
        scored = f"trial {best.number}, validation {best_metric(base)} {best.value:.4f}"
        header = f"# The best of {len(ended(study))} trials of a sweep: {scored}\n"
        header += "# To train it again: deit-finetune best.yaml\n\n"
        write_text(folder / "best.yaml", header + dump_recipe(with_overrides(base, own)))


def _values(trial: FrozenTrial) -> dict[str, Any]:
    values: dict[str, Any] = trial.user_attrs["values"]
    return values


def _found(study: Study, base: Recipe, folder: Path) -> Sweep:
    from optuna.trial import TrialState

    done, states = ranked(study), [trial.state for trial in ended(study)]
    if not done:
        reasons = [trial.user_attrs["reason"] for trial in ended(study) if "reason" in trial.user_attrs]
        first = f"; the first failed: {reasons[0]}" if reasons else ""
        raise TrainingError(f"{folder}: none of {len(states)} trials was completed{first}")
    _write_best(study, base, folder)
    lines = [
        {"number": trial.number, "value": trial.value, "values": _values(trial), "run": trial.user_attrs["run"]}
        for trial in done
    ]
    pruned, failed = states.count(TrialState.PRUNED), states.count(TrialState.FAIL)
    return Sweep(folder, best_metric(base), lines, pruned, failed, folder / "best.yaml")
