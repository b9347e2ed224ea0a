"""A verb's options from YAML: one frozen, flat section, and every fault in the file at once.

    deit-finetune predict recipes/predict.yaml --top-k 3

`load_options` reads such a file for any section; what the command line says goes into it as overrides and wins.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from finetune.errors import RecipeError
from finetune.recipe.faults import Fault
from finetune.recipe.keys import PathPart, annotation_of
from finetune.recipe.sections import Section
from finetune.recipe.tree import NotPlainError, plain
from finetune.recipe.words import either, expectation, found, hint
from finetune.recipe.yaml_text import lines_of, parse_mapping, read_text

Options = TypeVar("Options", bound=Section)
SUFFIXES = (".yaml", ".yml")


def is_options_file(word: str) -> bool:
    """Whether a word on the command line names a YAML file and not a run folder.

    >>> is_options_file("recipes/predict.yaml"), is_options_file("runs/fridge")
    (True, False)
    """
    return Path(word).suffix.casefold() in SUFFIXES


def load_options(
    section: type[Options],
    source: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    verb: str = "options",
) -> Options:
    """Read and check the options of a verb.

    Args:
        section: What they are: a section without sections in it.
        source: A YAML file, or a mapping of the same shape.
        overrides: Keys and their values, such as those that the command line gave; they win.
        verb: Names the options in messages where there is no file.
    Raises:
        RecipeError: whatever is wrong, all of it: unknown keys with the nearest one, values, keys that are missing.

    >>> class Bar(Section):
    ...     width: int = 3
    >>> load_options(Bar, {}, {"width": 5}).width
    5
    >>> load_options(Bar, {"widht": 5}, verb="bar")
    Traceback (most recent call last):
    finetune.errors.RecipeError: bar: widht: unknown key; did you mean width?
    """
    text, name = "", verb
    if isinstance(source, Mapping):
        given = dict(source)
    else:
        name, text = str(source), read_text(Path(source))
        needed = [key for key, field in section.model_fields.items() if field.is_required()]
        needs = f"it needs at least {' and '.join(needed)}" if needed else "it needs at least one key"
        given = parse_mapping(text, name, list(section.model_fields), needs)
    try:
        tree: dict[str, Any] = plain({**given, **(overrides or {})})
    except NotPlainError as error:
        what = f"found {type(error.value).__name__} {found(error.value)}, which options cannot hold"
        raise RecipeError([str(Fault(error.path, what))], name) from None
    try:
        return section.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        faults = _faults(section, error.errors(include_url=False), tree)
        raise RecipeError(_in_order(faults, text, set(overrides or {})), name) from None


def _faults(section: type[Section], errors: list[ErrorDetails], tree: Mapping[str, Any]) -> list[Fault]:
    """One for each key: of a union's several complaints the first will do, as all say what the key takes."""
    by_key: dict[PathPart, Fault] = {}
    for error in errors:
        if error["loc"]:
            key, said = error["loc"][0], _said(section, str(error["loc"][0]), error, tree)
        else:  # of several keys together: the section's own check begins with the one to change
            key, _, said = str(error["ctx"]["error"]).partition(": ")
        by_key.setdefault(key, Fault((key,), said))
    return list(by_key.values())


def _said(section: type[Section], key: str, error: ErrorDetails, tree: Mapping[str, Any]) -> str:
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    if key not in section.model_fields:
        near = difflib.get_close_matches(key, section.model_fields, n=1)
        return f"unknown key; did you mean {near[0]}?" if near else f"unknown key; expected {either(_keys(section))}"
    annotation = annotation_of(section.model_fields[key])
    if error["type"] == "missing":
        return f"missing; expected {expectation(annotation)}"
    return f"found {found(tree[key])}, expected {expectation(annotation)}{hint(tree[key], annotation)}"


def _keys(section: type[Section]) -> list[str]:
    return list(section.model_fields)


def _in_order(faults: list[Fault], text: str, overridden: set[str]) -> list[str]:
    """In the order of the file, each with its line."""
    lines = lines_of(text) if text else {}
    numbered = []
    for fault in faults:
        line = None if fault.path[0] in overridden else lines.get(fault.path)
        numbered.append((math.inf if line is None else line, str(fault) + (f" (line {line})" if line else "")))
    return [said for _, said in sorted(numbered, key=lambda pair: pair[0])]
