"""What is wrong with a tree of plain values, in a user's words: where, what was found, what was expected."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from finetune.recipe.checks import CHECKS
from finetune.recipe.keys import Path, PathPart, annotation_at, data_sections, dotted, kind_in
from finetune.recipe.sections import Recipe
from finetune.recipe.suggestions import unknown_key
from finetune.recipe.words import either, expectation, found, hint


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: the key, and a sentence that does not repeat it."""

    path: Path
    text: str

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.text}"


def validate(tree: Mapping[str, Any]) -> tuple[Recipe | None, list[Fault]]:
    """A recipe, or everything that keeps the tree from being one.

    Args:
        tree: What JSON can say. It is validated as JSON, so that a list serves as a tuple although the sections
            are strict.
    """
    recipe, faults = None, []
    try:
        recipe = Recipe.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        faults = _translated(error.errors(include_url=False), tree)
    faults += list(_between_keys(tree, [fault.path for fault in faults]))
    return (None if faults else recipe), faults


def _between_keys(tree: Mapping[str, Any], faulty: list[Path]) -> Iterator[Fault]:
    """Contradictions among keys that are sound, so that they are said at the same time as the unsound ones."""
    for check, keys in CHECKS.items():
        paths = [tuple(key.split(".")) for key in keys]
        if not any(_touches(path, fault) for path in paths for fault in faulty):
            for key, text in check(*(_value_or_default(tree, path) for path in paths)):
                yield Fault(tuple(key.split(".")), text)


def _touches(path: Path, fault: Path) -> bool:
    shorter = min(len(path), len(fault))
    return path[:shorter] == fault[:shorter]


def _value_or_default(tree: Mapping[str, Any], path: Path) -> Any:
    """A sound key's value; the data section has no default of its own, what all its kinds share has."""
    section: Any = tree.get(str(path[0]))
    if len(path) == 1:
        return section
    if isinstance(section, Mapping) and path[1] in section:
        return section[path[1]]
    if path[0] == "data":
        return next(iter(data_sections().values())).model_fields[str(path[1])].get_default()
    return getattr(Recipe.model_fields[str(path[0])].get_default(), str(path[1]))


def _translated(errors: list[ErrorDetails], tree: Mapping[str, Any]) -> list[Fault]:
    """One fault per key. Of a union's several complaints the one that goes deepest is meant, or says most."""
    first: dict[Path, ErrorDetails] = {}
    for error in sorted(errors, key=lambda error: error["type"] != "value_error"):
        first.setdefault(_real_path(error, tree), error)
    return [
        _fault(path, error, tree)
        for path, error in first.items()
        if not any(other[: len(path)] == path and len(other) > len(path) for other in first)
    ]


def _real_path(error: ErrorDetails, tree: Mapping[str, Any]) -> Path:
    """The keys that a user wrote: pydantic's location without the names of union members."""
    path: Path = ()
    here: Any = tree
    for position, part in enumerate(error["loc"]):
        if path == ("data",) and position == 1 and part in data_sections():
            continue
        if _holds(here, part):
            path, here = (*path, part), here[part]
        elif error["type"] == "missing" and isinstance(here, Mapping) and position == len(error["loc"]) - 1:
            path = (*path, part)
    return path


def _holds(here: Any, part: PathPart) -> bool:
    if isinstance(part, int):
        return isinstance(here, list) and part < len(here)
    return isinstance(here, Mapping) and part in here


def _fault(path: Path, error: ErrorDetails, tree: Mapping[str, Any]) -> Fault:
    kind, last = error["type"], error["loc"][-1]
    if kind == "extra_forbidden" or last == "[key]":
        return Fault(path, unknown_key(path, tree))
    if kind == "value_error":
        return Fault(path, str(error["ctx"]["error"]))
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        return _kind_fault(tree)
    expected = expectation(annotation_at(path, kind_in(tree)))
    if kind == "missing" and path[-1] == last:
        return Fault(path, f"missing; expected {expected}")
    value = _value_at(tree, path)
    return Fault(path, f"found {found(value)}, expected {expected}{hint(value, annotation_at(path, kind_in(tree)))}")


def _kind_fault(tree: Mapping[str, Any]) -> Fault:
    expected = either(tuple(data_sections()))
    if "kind" not in tree["data"]:
        return Fault(("data", "kind"), f"missing; expected {expected}")
    return Fault(("data", "kind"), f"found {found(tree['data']['kind'])}, expected {expected}")


def _value_at(tree: Any, path: Path) -> Any:
    for part in path:
        tree = tree[part]
    return tree
