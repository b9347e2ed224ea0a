"""Where a run begins: in a new folder, or at the checkpoint that an interrupted run left."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.errors import DataError, RunFolderError
from finetune.fallback import Reached, reach
from finetune.recipe import Recipe, with_overrides
from finetune.run_folder import RunFolder
from finetune.training.checkpoints import last_complete, step_of

FREE_TO_CHANGE = ("run.max_minutes", "run.tracking", "run.log_every_steps", "data.workers", "data.keep_decoded_mb")
"""Keys that may differ when a run goes on: but for the clock they do not touch what is learnt."""


@dataclass(frozen=True)
class Plan:
    """What will be carried out: decided before any data are read.

    Args:
        recipe: With the fallback applied, if there was one.
        origin: What the record says of how the recipe came about.
        interrupted: The run that goes on, or None for a new one.
    """

    recipe: Recipe
    origin: dict[str, Any]
    interrupted: RunFolder | None = None

    @property
    def notice(self) -> str | None:
        """The framed text about what stands in for what, if anything does."""
        notice: str | None = self.origin["notice"]
        return notice


def plan_run(recipe: Recipe, *, fallback: bool, resume: bool) -> Plan:
    """Decide what can be reached, or find the run to go on with.

    Raises:
        UnreachableError: checkpoint, teacher or data cannot be reached and there is no fallback.
        RunFolderError: there is nothing to resume, or the recipe is another one now.
    """
    if resume:
        return _go_on(recipe, RunFolder.find_interrupted(recipe.run.root, run_name(recipe)))
    reached = reach(recipe, strict=not fallback)
    return Plan(reached.recipe, _origin(recipe, reached))


def open_folder(plan: Plan, overwrite: bool) -> RunFolder:
    """The run folder of a plan, new or interrupted. Called once the data are known to be sound."""
    if plan.interrupted is not None:
        plan.interrupted.update_record({"status": "running"})
        return plan.interrupted
    folder = RunFolder.create(plan.recipe.run.root, run_name(plan.recipe), overwrite)
    folder.write_recipe(plan.recipe)
    folder.update_record(plan.origin)
    return folder


def run_name(recipe: Recipe) -> str:
    """The run folder's name; a recipe that was read from a file bears the file's."""
    return recipe.run.name or recipe.task


def _origin(recipe: Recipe, reached: Reached) -> dict[str, Any]:
    return {
        "requested": recipe.model_dump(mode="json"),
        "fallback": reached.fallback,
        "replaced": reached.replaced,
        "notice": reached.notice,
    }


def _go_on(recipe: Recipe, folder: RunFolder) -> Plan:
    record = folder.read_record()
    if "requested" not in record:
        raise RunFolderError(f"{folder}: this run was killed before it began; delete it, or leave out --resume")
    changed = differing_keys(record["requested"], recipe.model_dump(mode="json"))
    if changed:
        raise RunFolderError(
            f"{folder}: cannot be resumed, the recipe has changed since it began: {', '.join(changed)}; "
            "undo that, or leave out --resume to start a new run"
        )
    origin = {key: record[key] for key in ("requested", "fallback", "replaced", "notice")}
    free = {key: _at(recipe, key) for key in FREE_TO_CHANGE}
    return Plan(with_overrides(folder.read_recipe(), free), origin, folder)


def _at(recipe: Recipe, key: str) -> Any:
    section, name = key.split(".")
    return recipe.model_dump(mode="json")[section][name]


def differing_keys(before: Any, now: Any, path: str = "", free: Collection[str] = FREE_TO_CHANGE) -> list[str]:
    """Dotted paths at which two dumped recipes differ, without those that are free to change.

    >>> differing_keys({"optim": {"epochs": 3}, "run": {"max_minutes": 1}}, {"optim": {"epochs": 4}, "run": {}})
    ['optim.epochs']
    """
    if isinstance(before, dict) and isinstance(now, dict):
        keys = list(dict.fromkeys([*before, *now]))
        inner = [differing_keys(before.get(key), now.get(key), f"{path}.{key}" if path else key, free) for key in keys]
        return [key for found in inner for key in found]
    return [] if before == now or path in free else [path]


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
