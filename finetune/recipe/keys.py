"""Which keys a recipe has: paths into the sections and the annotations found there."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from finetune.recipe.sections import Recipe, Section

PathPart = str | int
Path = tuple[PathPart, ...]


def dotted(path: Sequence[PathPart]) -> str:
    """A path as it is written in messages.

    >>> dotted(("model", "preprocessing", "mean", 1))
    'model.preprocessing.mean[1]'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def annotation_of(field: FieldInfo) -> Any:
    """A field's annotation with its bounds, which pydantic keeps apart from the type."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def bare(annotation: Any) -> tuple[Any, list[Any]]:
    """Split ``Annotated`` into the type and its metadata; a pydantic ``Field`` gives its own."""
    metadata: list[Any] = []
    while get_origin(annotation) is Annotated:
        annotation, *extra = get_args(annotation)
        for item in extra:
            metadata.extend(item.metadata if isinstance(item, FieldInfo) else [item])
    return annotation, metadata


def alternatives(annotation: Any) -> list[Any]:
    """The members of a union, or the annotation alone."""
    plain, _ = bare(annotation)
    return list(get_args(plain)) if get_origin(plain) in (Union, types.UnionType) else [annotation]


def is_section(annotation: Any) -> bool:
    """Whether the annotation is one section, not a union."""
    plain, _ = bare(annotation)
    return isinstance(plain, type) and issubclass(plain, Section)


def annotation_at(path: Sequence[PathPart], kind: str | None = None) -> Any | None:
    """What a path of a recipe takes, or None where there is no such key.

    Args:
        path: Keys from the top.
        kind: The recipe's ``data.kind``; without it the keys of all kinds are known.
    """
    annotation: Any = Recipe
    for position, part in enumerate(path):
        annotation = _below(annotation, part, kind if position == 1 else None)
        if annotation is None:
            return None
    return annotation


def _below(annotation: Any, part: PathPart, kind: str | None) -> Any | None:
    for choice in alternatives(annotation):
        plain, _ = bare(choice)
        origin, arguments = get_origin(plain), get_args(plain)
        if is_section(plain):
            field = plain.model_fields.get(part)
            if field is not None and (kind is None or kind_of(plain) in (kind, None)):
                return annotation_of(field)
        elif origin is dict and isinstance(part, str):
            return arguments[1]
        elif isinstance(part, int) and origin is list:
            return arguments[0]
        elif isinstance(part, int) and origin is tuple:
            return arguments[min(part, len(arguments) - 1)]
    return None


def kind_of(section: type[Section]) -> str | None:
    """The ``kind`` that a data section stands for; None for a section that is chosen otherwise."""
    field = section.model_fields.get("kind")
    kinds = get_args(field.annotation) if field is not None else ()
    return str(kinds[0]) if len(kinds) == 1 else None


@cache
def data_sections() -> dict[str, type[Section]]:
    """``data.kind`` to its section."""
    sections = alternatives(annotation_of(Recipe.model_fields["data"]))
    return {str(kind_of(section)): section for section in sections}


def sections_at(path: Sequence[PathPart], kind: str | None = None) -> list[type[Section]]:
    """The sections that may stand at a path: one, or all data sections where ``data.kind`` is not known."""
    choices = [choice for choice in alternatives(annotation_at(path)) if is_section(choice)]
    if tuple(path) == ("data",) and kind in data_sections():
        return [data_sections()[str(kind)]]
    return [bare(choice)[0] for choice in choices]


def fixed_keys(annotation: Any) -> list[str]:
    """The keys of a mapping that may have these only, such as train, validation and test."""
    for choice in alternatives(annotation):
        plain, _ = bare(choice)
        if get_origin(plain) is dict and get_origin(get_args(plain)[0]) is Literal:
            return [str(key) for key in get_args(get_args(plain)[0])]
    return []


@cache
def leaf_keys() -> tuple[str, ...]:
    """Every dotted key that takes a value, all data kinds together, in the order of the sections.

    >>> leaf_keys()[0], "model.preprocessing.mean" in leaf_keys(), "model" in leaf_keys()
    ('task', True, False)
    """
    return tuple(dict.fromkeys(_leaves(Recipe, ())))


def _leaves(section: type[Section], above: tuple[str, ...]) -> Iterator[str]:
    for name, field in section.model_fields.items():
        choices = alternatives(annotation_of(field))
        inner = [bare(choice)[0] for choice in choices if is_section(choice)]
        for choice in inner:
            yield from _leaves(choice, (*above, name))
        if len(inner) < len(choices):
            yield dotted((*above, name))


def kind_in(tree: object) -> str | None:
    """The ``data.kind`` that a tree names, where it is one that exists."""
    data = tree.get("data") if isinstance(tree, Mapping) else None
    kind = data.get("kind") if isinstance(data, Mapping) else None
    return kind if isinstance(kind, str) and kind in data_sections() else None
