"""Files, mappings and overrides to a Recipe: one door, and all faults at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any

from finetune.errors import RecipeError
from finetune.recipe.faults import Fault, validate
from finetune.recipe.keys import Path
from finetune.recipe.sections import Recipe
from finetune.recipe.tree import NotPlainError, Tree, overridden, plain, split_key
from finetune.recipe.words import found
from finetune.recipe.yaml_text import lines_of, parse_recipe, read_text

Source = str | FilePath | Mapping[str, Any]


def load_recipe(source: Source, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read and check a recipe.

    Args:
        source: A YAML file, or a mapping of the same shape.
        overrides: Dotted keys and their values, such as ``{"optim.epochs": 3}``; they go through the same checks,
            and what the ``offline`` section says of the same keys is dropped: who sets a key means it.
    Returns:
        The recipe, with ``run.name`` set to the file's name where the recipe has none.
    Raises:
        RecipeError: whatever is wrong, all of it, each with its dotted path.

    >>> load_recipe({"task": "multiclass", "data": {"kind": "folder", "root": "photos"}}).evaluate.top_k
    5
    >>> load_recipe({"task": "multiclass", "data": {"kind": "folder", "root": "photos"}, "optim": {"epoch": 3}})
    Traceback (most recent call last):
    finetune.errors.RecipeError: recipe: optim.epoch: unknown key; did you mean epochs?
    """
    if isinstance(source, Mapping):
        return _checked(source, overrides or {}, "recipe", "", default_run_name(source))
    text = read_text(FilePath(source))
    return _checked(parse_recipe(text, str(source)), overrides or {}, str(source), text, default_run_name(source))


def with_overrides(recipe: Recipe, overrides: Mapping[str, Any]) -> Recipe:
    """The recipe with dotted keys changed, checked as a whole again.

    Raises:
        RecipeError: a key does not exist, or the changed recipe has faults.
    """
    return _checked(recipe.model_dump(mode="json"), overrides, "overrides", "", recipe.run.name or "run")


def offline_recipe(recipe: Recipe, *, checkpoint: bool, data: bool) -> Recipe:
    """The recipe with its ``offline`` section applied.

    Args:
        recipe: A loaded recipe.
        checkpoint: Apply the keys that stand in for the checkpoint: all but ``data.*``.
        data: Apply ``data.*``.
    """
    chosen = {key: value for key, value in recipe.offline.items() if (data if _is_data(key) else checkpoint)}
    applied = with_overrides(recipe, chosen)
    return applied.model_copy(update={"offline": recipe.offline})


def default_run_name(source: Source) -> str:
    """A run's name where the recipe has none: the recipe's file name without its suffix.

    >>> default_run_name("recipes/pets.yaml"), default_run_name({})
    ('pets', 'run')
    """
    return "run" if isinstance(source, Mapping) else FilePath(source).stem


def _checked(raw: Mapping[str, Any], overrides: Mapping[str, Any], source: str, text: str, name: str) -> Recipe:
    try:
        tree, misplaced = overridden(_without_offline(plain(raw), overrides), plain(overrides))
    except NotPlainError as error:
        where = f"found {type(error.value).__name__} {found(error.value)}, which a recipe cannot hold"
        raise RecipeError([str(Fault(error.path, where))], source) from None
    _name_run(tree, name)
    recipe, faults = validate(tree)
    faults = [*misplaced, *faults]
    faults += _offline_faults(tree, {str(fault) for fault in faults})
    if recipe is None or faults:
        raise RecipeError(_lines(faults, text, overrides), source)
    return recipe


def _name_run(tree: Tree, name: str) -> None:
    run = tree.setdefault("run", {})
    if isinstance(run, dict) and run.get("name") is None:
        run["name"] = name


def _without_offline(tree: Tree, overrides: Mapping[str, Any]) -> Tree:
    """The tree without the keys of its offline section that are overridden, whole or in part."""
    offline = tree.get("offline")
    if not isinstance(offline, dict):
        return tree
    kept = {key: value for key, value in offline.items() if not any(_overlap(key, other) for other in overrides)}
    return {**tree, "offline": kept}


def _overlap(key: str, other: str) -> bool:
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def _is_data(key: str) -> bool:
    return key.partition(".")[0] == "data"


def _offline_faults(tree: Tree, known: set[str]) -> list[Fault]:
    """What would be wrong if the section were applied: to the data alone, to all but the data, and to both."""
    offline = tree.get("offline")
    if not isinstance(offline, dict):
        return []
    data = {key: value for key, value in offline.items() if _is_data(key)}
    rest = {key: value for key, value in offline.items() if not _is_data(key)}
    faults: dict[str, Fault] = {}
    for overrides in (data, rest, offline):
        applied, misplaced = overridden({**tree, "offline": {}}, overrides)
        for fault in [*misplaced, *validate(applied)[1]] if overrides else []:
            if str(fault) not in known:
                faults.setdefault(str(fault), _within_offline(fault, offline))
    return list(faults.values())


def _within_offline(fault: Fault, offline: Tree) -> Fault:
    """Name the key of the section; where a fault lies between keys, the section."""
    for key in offline:
        path = tuple(key.split("."))
        if fault.path[: len(path)] == path or fault.path == (key,):
            return Fault(("offline", key, *fault.path[len(path) :]), fault.text)
    return Fault(("offline",), str(fault))


def _lines(faults: Iterable[Fault], text: str, overrides: Mapping[str, Any]) -> list[str]:
    """The faults in the order of the file, each with its line, or with a word that it comes from an override."""
    lines = lines_of(text) if text else {}
    numbered = []
    for fault in faults:
        if any(_related(split_key(key), fault.path) for key in overrides):
            numbered.append((math.inf, f"{fault} (an override)"))
            continue
        above = [lines[fault.path[:end]] for end in range(len(fault.path), 0, -1) if fault.path[:end] in lines]
        numbered.append((above[0], f"{fault} (line {above[0]})") if above else (math.inf, str(fault)))
    return [line for _, line in sorted(numbered, key=lambda pair: pair[0])]


def _related(key: Path, fault: Path) -> bool:
    """Whether an override set what is at fault, or invented the section that is."""
    return fault[: len(key)] == key or (key[: len(fault)] == fault and fault[0] not in Recipe.model_fields)
