"""YAML 1.2 text to plain Python values, with every trap answered by its line.

``5e-5`` is a number, ``no`` is a word, a date is text, a repeated key is an error.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from finetune.errors import RecipeError
from finetune.recipe.keys import Path as KeyPath
from finetune.recipe.keys import dotted
from finetune.recipe.sections import Recipe


class _PlainConstructor(SafeConstructor):
    """Builds what JSON can say: ``name: 2024-01-31`` is text, not a date."""


_PlainConstructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def _reader() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _PlainConstructor
    return yaml


def read_text(path: Path) -> str:
    """The text of a recipe file; a byte order mark and Windows line ends are fine.

    Raises:
        RecipeError: there is no such file, it is a folder, or it is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except IsADirectoryError:
        raise RecipeError(
            ["this is a folder; a recipe is a YAML file, and `deit-finetune init FOLDER` writes one for your images"],
            str(path),
        ) from None
    except FileNotFoundError:
        raise RecipeError([f"no such file{_neighbour(path)}"], str(path)) from None
    except UnicodeDecodeError as error:
        raise RecipeError([f"not UTF-8 text (byte {error.start}); save it as UTF-8"], str(path)) from None
    except OSError as error:
        raise RecipeError([f"cannot be read: {error.strerror or error}"], str(path)) from None


def _neighbour(path: Path) -> str:
    folder = path.parent
    known = [entry.name for entry in folder.glob("*.y*ml")] if folder.is_dir() else []
    close = difflib.get_close_matches(path.name, known, n=1) or [name for name in known if Path(name).stem == path.name]
    return f"; did you mean {folder / close[0]}?" if close else ""


def parse_recipe(text: str, source: str) -> dict[str, Any]:
    """The mapping that a recipe's text holds; errors as of `parse_mapping`."""
    return parse_mapping(text, source, list(Recipe.model_fields), "a recipe needs at least task and data")


def parse_mapping(text: str, source: str, keys: Sequence[str], needs: str) -> dict[str, Any]:
    """The mapping that a text holds.

    Args:
        keys: Those that it may have, and ``needs`` which it must: for messages only.
    Raises:
        RecipeError: the text is not YAML, a key is repeated, or the top is not a mapping.
    """
    node = _compose(text, source)
    known = ", ".join(keys)
    if node is None:
        raise RecipeError([f"the file is empty; {needs} (keys: {known})"], source)
    if not isinstance(node, MappingNode):
        what = "a list" if isinstance(node, SequenceNode) else f"the text {node.value!r}"
        raise RecipeError([f"found {what} at the top, expected the keys {known}"], source)
    try:
        twice = list(_repeated(node, ()))
    except RecursionError:
        raise RecipeError(["an alias (*name) stands within what it repeats"], source) from None
    repeated = [
        f"{dotted(path)}: this key is written twice, in lines {first} and {again}" for path, first, again in twice
    ]
    if repeated:
        raise RecipeError(repeated, source)
    try:
        tree: dict[str, Any] = _reader().load(text)
    except YAMLError as error:
        raise RecipeError([_yaml_fault(error, text)], source) from None
    return tree


def parse_value(text: str, key: str) -> Any:
    """The value after the ``=`` of ``--set key=text``, read as YAML.

    >>> parse_value("5e-5", "a"), parse_value("no", "a"), parse_value("null", "a"), parse_value("[1, 2]", "a")
    (5e-05, 'no', None, [1, 2])
    """
    if not text.strip():
        raise RecipeError([f"{key}: nothing after the =; write {key}=null for no value"], "--set")
    try:
        return _reader().load(text)
    except YAMLError:
        raise RecipeError(
            [f"{key}: {text!r} is not YAML; put text with signs in quotes: '{key}=\"…\"'"], "--set"
        ) from None


def lines_of(text: str) -> dict[KeyPath, int]:
    """The line of every key, counted from 1; for text that parses."""
    node = _compose(text, "recipe")
    return dict(_lines(node, ())) if isinstance(node, MappingNode) else {}


def _compose(text: str, source: str) -> Node | None:
    try:
        node: Node | None = _reader().compose(text)
    except YAMLError as error:
        raise RecipeError([_yaml_fault(error, text)], source) from None
    return node


def _repeated(node: Node, path: KeyPath) -> Iterator[tuple[KeyPath, int, int]]:
    if isinstance(node, SequenceNode):
        for position, item in enumerate(node.value):
            yield from _repeated(item, (*path, position))
    if isinstance(node, MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, ScalarNode) and key.value in first:
                yield (*path, key.value), first[key.value], line
            first.setdefault(str(key.value), line)
            yield from _repeated(value, (*path, str(key.value)))


def _lines(node: Node, path: KeyPath) -> Iterator[tuple[KeyPath, int]]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            below = (*path, str(key.value))
            yield below, key.start_mark.line + 1
            yield from _lines(value, below)


def _yaml_fault(error: YAMLError, text: str) -> str:
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return f"not YAML: {' '.join(str(error).split())}"
    mark = error.problem_mark
    lines = text.split("\n")
    line = lines[mark.line] if mark.line < len(lines) else ""
    where = f"line {mark.line + 1}, column {mark.column + 1}"
    if "\t" in line[: mark.column + 1]:
        return f"{where}: a tab; YAML is indented with spaces"
    if "expected a single document" in str(error):
        return f"{where}: a second document begins here (---); a recipe is one"
    problem = str(error.problem).strip()
    context = f" {error.context.strip()}" if error.context else ""
    return f"{where}: not YAML: {problem}{context}, in {line.strip()!r}"
