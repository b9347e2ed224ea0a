"""An Optuna study of a recipe: opened or made, and only for that recipe and its data."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.errors import DataError, RecipeError, RunFolderError
from finetune.metrics import higher_is_better
from finetune.recipe import Recipe
from finetune.training.arguments import best_metric
from finetune.training.resuming import FREE_TO_CHANGE, differing_keys

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

INTERRUPTED = "interrupted"
"""Attribute of a trial that was stopped from outside and does not count."""


def open_study(recipe: Recipe, name: str, storage: str | None, folder: Path, source: Mapping[str, Any]) -> Study:
    """The study of that name, made where there is none.

    Args:
        recipe: As it will be carried out, but for what varies.
        name: Of the study.
        storage: Database URL; by default ``study.db`` in the folder.
        source: Of the data, as of `finetune.data.Splits`; its fingerprint is what the study knows them by.
    Raises:
        RecipeError: the database cannot be opened.
        RunFolderError: the study is another recipe's.
        DataError: it was begun on other images, labels or splits.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(
            storage=storage or f"sqlite:///{folder / 'study.db'}",
            study_name=name,
            direction="maximize" if higher_is_better(best_metric(recipe)) else "minimize",
            pruner=_pruner(recipe),
            load_if_exists=True,
        )
    except Exception as error:  # whatever the database's driver raises
        said = " ".join(str(error).split())[:200]
        raise RecipeError(
            [f"{_shown(storage, folder)}: cannot be opened: {_shown(said, folder)}"], "--storage"
        ) from None
    _same_recipe(study, recipe, _shown(storage, folder))
    _same_data(study, source, _shown(storage, folder))
    return study


def sampler_of(recipe: Recipe, trial: int) -> BaseSampler:
    """What draws the values of a trial. It is seeded by the run's seed and the trial's number, so that a study that
    goes on draws what it would have drawn, and machines that share one do not all draw the same."""
    from optuna.samplers import RandomSampler, TPESampler

    seed = (recipe.run.seed + 1_000_003 * trial) % 2**32
    return RandomSampler(seed=seed) if recipe.search.sampler == "random" else TPESampler(seed=seed)


def ended(study: Study) -> list[FrozenTrial]:
    """Trials that came to their end: with a value, pruned, or failed for a reason of their own."""
    return [trial for trial in study.trials if trial.state.is_finished() and INTERRUPTED not in trial.user_attrs]


def ranked(study: Study) -> list[FrozenTrial]:
    """Completed trials, the best first; of equals the earlier."""
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

    sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(done, key=lambda trial: (sign * (trial.value or 0.0), trial.number))


def without_place(recipe: Recipe) -> dict[str, Any]:
    """What makes trials comparable: the recipe without its place, and without what does not touch learning.

    The clock does: the learning rate keeps step with ``run.max_minutes``.
    """
    tree = recipe.model_dump(mode="json")
    free = [key for key in FREE_TO_CHANGE if key != "run.max_minutes"]
    for key in ("run.root", "run.name", "run.device", "run.keep_checkpoints", *free):
        *above, last = key.split(".")
        here = tree
        for part in above:
            here = here.get(part, {})
        here.pop(last, None)
    return tree


def digest(tree: dict[str, Any]) -> str:
    """sha256 of a plain tree, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def _same_recipe(study: Study, recipe: Recipe, where: str) -> None:
    tree = without_place(recipe)
    before = study.user_attrs
    if "digest" not in before:
        study.set_user_attr("recipe", tree)
        study.set_user_attr("digest", digest(tree))
    elif before["digest"] != digest(tree):
        changed = ", ".join(differing_keys(before.get("recipe", {}), tree, free=()))
        raise RunFolderError(
            f"{where}: the study {study.study_name!r} is another recipe's, it differs in {changed}; undo that, or "
            "begin another study with --set run.name=…"
        )


def _same_data(study: Study, source: Mapping[str, Any], where: str) -> None:
    before, now = study.user_attrs.get("fingerprint"), source["fingerprint"]
    if before is None:
        study.set_user_attr("fingerprint", now)
    elif before != now:
        raise DataError(
            f"{source['root']}: images or labels are others than those that the study {study.study_name!r} ({where}) "
            "began with, so its trials cannot be compared with new ones; restore them, or begin another study with "
            "--set run.name=…"
        )


def _pruner(recipe: Recipe) -> BasePruner:
    from optuna.pruners import MedianPruner, NopPruner

    return MedianPruner(n_startup_trials=5) if recipe.search.prune else NopPruner()


def _shown(text: str | None, folder: Path) -> str:
    """A database's address without its password."""
    return re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", text) if text else str(folder / "study.db")
