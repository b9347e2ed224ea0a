"""A recipe as plain nested values: what JSON can say, and dotted keys that change it."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import Any

from finetune.recipe.faults import Fault
from finetune.recipe.keys import Path, bare, is_section
from finetune.recipe.sections import Recipe

Tree = dict[str, Any]


class NotPlainError(Exception):
    """A value that no YAML file can hold; carries its path."""

    def __init__(self, path: Path, value: object) -> None:
        super().__init__(path, value)
        self.path, self.value = path, value


def plain(value: object, path: Path = ()) -> Any:
    """The same value with mappings, lists, text, numbers, booleans and null only; a path object becomes text.

    Raises:
        NotPlainError: there is something else in it, or it contains itself.

    >>> from pathlib import Path
    >>> plain({"root": Path("data"), "betas": (0.9, 0.99)})
    {'root': 'data', 'betas': [0.9, 0.99]}
    """
    if len(path) > 50:
        raise NotPlainError(path[:1], value)
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {_key(key): plain(item, (*path, _key(key))) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, (*path, position)) for position, item in enumerate(value)]
    raise NotPlainError(path, value)


def _key(key: object) -> str:
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    return str(key)


def overridden(tree: Tree, overrides: Mapping[str, Any]) -> tuple[Tree, list[Fault]]:
    """A copy of the tree with dotted keys set. Whether the keys exist is for validation to say.

    >>> overridden({"optim": {"epochs": 3}}, {"optim.epochs": 5, "run.seed": 1})[0]
    {'optim': {'epochs': 5}, 'run': {'seed': 1}}
    """
    tree = copy.deepcopy(tree)
    faults = []
    for key, value in overrides.items():
        fault = _set(tree, key, value)
        if fault is not None:
            faults.append(fault)
    return tree, faults


def split_key(key: str) -> Path:
    """The path that a dotted key names; below ``offline`` the rest is one key.

    >>> split_key("optim.epochs"), split_key("offline.model.checkpoint")
    (('optim', 'epochs'), ('offline', 'model.checkpoint'))
    """
    section, _, rest = key.partition(".")
    return (section, rest) if section == "offline" and rest else tuple(key.split("."))


def _set(tree: Tree, key: str, value: Any) -> Fault | None:
    path = split_key(key)
    if not all(path):
        return Fault((key,), "not a dotted key such as optim.epochs")
    if len(path) == 1 and isinstance(value, Mapping) and _is_one_section(key):
        return Fault((key,), f"a whole section; set its keys one by one, such as {key}.{next(iter(value), 'key')}")
    here: Any = tree
    for depth, part in enumerate(path[:-1]):
        below = here.get(part)
        if not isinstance(below, dict):
            if depth == 0 and below is not None:
                return None  # the section itself is no mapping, which validation says
            below = here[part] = {}
        here = below
    here[path[-1]] = value
    return None


def _is_one_section(key: str) -> bool:
    field = Recipe.model_fields.get(key)
    return field is not None and is_section(bare(field.annotation)[0])
