"""Where a run begins: a new folder, or the checkpoint that an interrupted run left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.errors import DataError, RunFolderError
from finetune.fallback import Reached, reach
from finetune.recipe import Recipe
from finetune.run_folder import RunFolder
from finetune.training.checkpoints import last_complete, step_of

FREE_TO_CHANGE = ("run.max_minutes", "run.tracking", "run.log_every_steps", "data.workers", "data.keep_decoded_mb")
"""Keys that may differ when a run goes on: they do not touch what is learnt."""


@dataclass(frozen=True)
class Start:
    """A run folder and the recipe that is carried out in it."""

    recipe: Recipe
    folder: RunFolder
    notice: str | None
    resumed: bool


def begin(recipe: Recipe, *, fallback: bool, resume: bool, overwrite: bool) -> Start:
    """Open the run folder, new or interrupted.

    Raises:
        UnreachableError: checkpoint or data cannot be reached and there is no fallback.
        RunFolderError: there is nothing to resume, or the recipe is another one now.
    """
    name = recipe.run.name or recipe.task
    if resume:
        return _go_on(recipe, RunFolder.find_interrupted(recipe.run.root, name))
    reached = reach(recipe, strict=not fallback)
    folder = RunFolder.create(recipe.run.root, name, overwrite)
    folder.write_recipe(reached.recipe)
    folder.update_record(_origin(recipe, reached))
    return Start(reached.recipe, folder, reached.notice, resumed=False)


def _origin(recipe: Recipe, reached: Reached) -> dict[str, Any]:
    return {
        "requested": recipe.model_dump(mode="json"),
        "fallback": reached.fallback,
        "replaced": reached.replaced,
        "notice": reached.notice,
    }


def _go_on(recipe: Recipe, folder: RunFolder) -> Start:
    record = folder.read_record()
    changed = differing_keys(record["requested"], recipe.model_dump(mode="json"))
    if changed:
        raise RunFolderError(
            f"{folder}: cannot be resumed, the recipe has changed since it began: {', '.join(changed)}; "
            "undo that, or leave out --resume to start a new run"
        )
    folder.update_record({"status": "running"})
    saved = folder.read_recipe()
    free = {"run": saved.run.model_copy(update={"max_minutes": recipe.run.max_minutes})}
    return Start(saved.model_copy(update=free), folder, record.get("notice"), resumed=True)


def differing_keys(before: Any, now: Any, path: str = "") -> list[str]:
    """Dotted paths at which two dumped recipes differ, without those that are free to change.

    >>> differing_keys({"optim": {"epochs": 3}, "run": {"max_minutes": 1}}, {"optim": {"epochs": 4}, "run": {}})
    ['optim.epochs']
    """
    if isinstance(before, dict) and isinstance(now, dict):
        keys = list(dict.fromkeys([*before, *now]))
        inner = [differing_keys(before.get(key), now.get(key), f"{path}.{key}" if path else key) for key in keys]
        return [key for found in inner for key in found]
    return [] if before == now or path in FREE_TO_CHANGE else [path]


def checkpoint_to_resume(folder: RunFolder, say: Callable[[str], None]) -> Path | None:
    """The newest whole checkpoint; what had to be skipped is said. History after it is forgotten.

    Returns:
        None if the run was killed before its first checkpoint; it then starts from its beginning.
    """
    checkpoint, skipped = last_complete(folder.checkpoints)
    for path in skipped:
        say(f"{path.name} was not written to its end and is skipped")
    step = step_of(checkpoint) if checkpoint else 0
    say(f"going on after step {step}" if checkpoint else "no checkpoint was written; starting from the beginning")
    folder.truncate_history(step)
    return checkpoint


def same_data(folder: RunFolder, source: dict[str, Any]) -> None:
    """Refuse to go on with other images or labels than the run began with.

    Raises:
        DataError: the fingerprint differs.
    """
    before = folder.read_record().get("data", {}).get("fingerprint")
    if before is not None and before != source.get("fingerprint"):
        raise DataError(
            f"{source.get('root')}: images or labels have changed since {folder} began; "
            "restore them, or leave out --resume to start a new run"
        )
