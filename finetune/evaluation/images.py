"""The images that a user wants a model evaluated on: whatever an adapter reads, or a run's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune.data import Splits, load_held_out, load_splits
from finetune.errors import DataError, FinetuneError
from finetune.evaluation.opened import Opened
from finetune.evaluation.wish import Wish
from finetune.recipe import Recipe, load_recipe, with_overrides
from finetune.run_folder import RunFolder, read_members

RECIPES = (".yaml", ".yml")


def wanted_splits(opened: Opened, wish: Wish, notes: list[str]) -> tuple[list[tuple[str, Splits]], dict[str, Any]]:
    """The splits to measure, by name, and what is recorded of them."""
    task = opened.predictor.task.name
    if wish.data is not None:
        recipe, cut = data_recipe(wish.data, task, wish.overrides)
        data = load_held_out(recipe, wish.split, cut=cut)
        _note_data(data, notes)
        return [(name, data) for name in data.datasets], data.source
    if opened.run is None or opened.folds:
        what = "its folds measured its own images already" if opened.folds else "it is no run, so it has no data"
        raise DataError(f"{opened.name}: {what}; say what to evaluate on, as in --data photos")
    recipe = opened.run.read_recipe_from_anywhere()
    if wish.overrides:
        recipe = with_overrides(recipe, wish.overrides)
    if wish.split == "all":
        data = load_held_out(recipe, "all")
        return [("all", data)], data.source
    data = load_splits(recipe)
    same = data.source["fingerprint"] == opened.run.read_record().get("data", {}).get("fingerprint")
    if not same and not wish.overrides:
        notes.append("the run's images or labels are not what they were when it was trained")
    there = [name for name in data.datasets if name != "train"]
    wanted = [wish.split] if wish.split else there
    if not wanted or wanted[0] not in data.datasets:
        raise DataError(
            f"{opened.name}: has no {wish.split or 'held-out'} split, but {', '.join(data.datasets)}; name one of "
            "them, or other images by --data"
        )
    return [(name, data) for name in wanted], data.source


def familiar(opened: Opened, wish: Wish, contents: Sequence[bytes], notes: list[str]) -> dict[str, int]:
    """How many of the measured images the run has met before, told by their bytes: ``learned_from`` those it was
    trained on, ``tuned_on`` those that tuned its decision.

    Nothing where nobody can know, because a run that did not write ``digests.jsonl`` has lost its own images, or where
    they are its held-out images, in which none is met again.
    """
    own_held_out = wish.data is None and not wish.overrides and wish.split not in ("train", "all")
    if opened.run is None or own_held_out:
        return {}
    try:
        own = _own_contents(opened.run, opened.folds)
    except FinetuneError:
        notes.append("the run's own images cannot be read, so nobody can tell whether it learned from these")
        return {}
    learned = {content for name in own if opened.folds or name == "train" for content in own[name]}
    tuning = set(own.get("validation", ())) if opened.predictor.decision.says_something else set()
    found = {
        "learned_from": sum(content in learned for content in contents),
        "tuned_on": sum(content in tuning - learned for content in contents),
    }
    if found["learned_from"]:
        notes.append(
            f"the model learned from {found['learned_from']} of these {len(contents)} images, so its scores on them, "
            "and the labels that look wrong, say little; measure it on images that it has not seen"
        )
    if found["tuned_on"]:
        notes.append(
            f"{found['tuned_on']} of these {len(contents)} images tuned the model's thresholds or temperature, which "
            "fit them better than others"
        )
    return found


def _own_contents(run: RunFolder, folds: bool) -> Mapping[str, Sequence[bytes]]:
    """By split, the digests of the images that a run was made with: as it wrote them, else of what lies there now."""
    each = [member.read_digests() for member in (read_members(run.path) if folds else [run])]
    written = [digests for digests in each if digests is not None]
    if len(written) < len(each):
        return load_splits(run.read_recipe_from_anywhere()).contents
    return {name: [one for digests in written for one in digests[name]] for name in written[0]}


def data_recipe(data: str | Path, task: str, overrides: Mapping[str, Any]) -> tuple[Recipe, bool]:
    """A recipe for the data that a user names, and whether it says how splits are cut.

    Raises:
        RecipeError: the recipe has faults.
        DataError: nothing is there, or nothing that can be decided on.
    """
    text = str(data)
    if Path(text).suffix.casefold() in RECIPES:
        recipe = load_recipe(text, overrides)
        if recipe.task != task:
            raise DataError(f"{text}: its task is {recipe.task}, but the model's is {task}; name data of {task}")
        return recipe, True
    from finetune.proposal import propose

    if text.startswith("bundled:"):
        from finetune.data.bundled import bundled_root

        found = propose(bundled_root(text.removeprefix("bundled:")))
        section = {**found.data, "root": text}
    else:
        section = propose(Path(text).expanduser()).data
    return load_recipe({"task": task, "data": section}, overrides), any(
        key.startswith("data.split") for key in overrides
    )


def _note_data(data: Splits, notes: list[str]) -> None:
    notes += [f"data: {note}" for note in data.findings.notes]
    if data.dropped:
        notes.append(f"data: {len(data.dropped)} images are left out, first: {data.dropped[0].path}")
