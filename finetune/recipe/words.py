"""What a key takes and what was found instead, in a user's words."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen

from finetune.recipe.keys import alternatives, bare, is_section, kind_of

PATTERNS = {
    "^[0-9a-f]{64}$": "64 digits from 0-9 and a-f",
    "^(https?|file)://": "an address that begins with http://, https:// or file://",
    r"^[^/\\]*[^/\\.][^/\\]*$": "the name of a folder, without / and \\",
}
"""What a pattern means; a test holds that every pattern in the sections is here."""


def expectation(annotation: Any) -> str:
    """What an annotation takes, as the end of a sentence.

    >>> from finetune.recipe.keys import annotation_at
    >>> expectation(annotation_at(("optim", "warmup_steps")))
    'a whole number of at least 1, or null'
    >>> expectation(annotation_at(("evaluate", "every")))
    'epoch, steps or never'
    >>> expectation(annotation_at(("model", "preprocessing", "mean")))
    'a list of 3 numbers'
    """
    choices = [choice for choice in alternatives(annotation) if choice is not types.NoneType]
    if all(is_section(choice) and kind_of(bare(choice)[0]) for choice in choices):
        return f"a mapping with kind: {either([kind_of(bare(choice)[0]) for choice in choices])}"
    words = list(dict.fromkeys(_one(choice, bare(annotation)[1] if len(choices) == 1 else []) for choice in choices))
    if len(choices) < len(alternatives(annotation)):
        words.append("null")
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])}, or {words[-1]}"


def _one(annotation: Any, outer: list[Any]) -> str:
    plain, metadata = bare(annotation)
    metadata = metadata or outer
    origin, arguments = get_origin(plain), get_args(plain)
    if plain is bool:
        return "true or false"
    if plain in (int, float):
        return f"{'a whole number' if plain is int else 'a number'}{_bounds(metadata)}"
    if plain is str:
        return _text(metadata)
    if origin is Literal:
        return either(arguments)
    if origin is tuple:
        return f"a list of {len(arguments)} numbers{_bounds(bare(arguments[0])[1])}"
    if origin is list:
        inner = "texts" if bare(arguments[0])[0] is str else expectation(arguments[0])
        return f"a list of {inner}"
    if origin is dict:
        keys = f" with the keys {either(get_args(arguments[0]))}" if get_origin(arguments[0]) is Literal else ""
        return f"a mapping{keys}"
    if is_section(plain):
        return f"a mapping with the keys {', '.join(plain.model_fields)}"
    return "a value"


def either(words: Sequence[object]) -> str:
    """``a, b or c``."""
    texts = [str(word) for word in words]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"


def _bounds(metadata: list[Any]) -> str:
    limits: dict[str, float] = {}
    for item in metadata:
        for bound, name in ((Ge, "ge"), (Gt, "gt"), (Le, "le"), (Lt, "lt")):
            if isinstance(item, bound):
                limits[name] = getattr(item, name)
    low = (
        f"from {_plain(limits['ge'])}" if "ge" in limits else f"above {_plain(limits['gt'])}" if "gt" in limits else ""
    )
    if "le" in limits:
        above = "from " if "gt" in limits else ""
        return f" {above}{low} to {_plain(limits['le'])}"
    if "lt" in limits:
        above = "from " if "gt" in limits else ""
        return f" {above}{low} to below {_plain(limits['lt'])}"
    return f" of at least {_plain(limits['ge'])}" if "ge" in limits else f" {low}" if low else ""


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _text(metadata: list[Any]) -> str:
    for item in metadata:
        pattern = getattr(item, "pattern", None)
        if pattern is not None:
            return PATTERNS[pattern]
    if any(isinstance(item, MaxLen) and item.max_length == 1 for item in metadata):
        return "one character"
    if any(isinstance(item, MinLen) and item.min_length for item in metadata):
        return "text that is not empty"
    return "text"


def found(value: object) -> str:
    """A value as a user would write it, cut short.

    >>> found("ten"), found(None), found(True), found({"a": 1}), found(5e-5)
    ("'ten'", 'null', 'true', '{a: 1}', '5e-5')
    """
    text = _found(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _found(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_found(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_found(item) for item in value) + "]"
    return repr(value)


def number(value: float) -> str:
    """A number as a person writes it in YAML; it reads back as the same number.

    >>> number(5e-05), number(0.0005), number(0.05), number(15.0), number(float("inf"))
    ('5e-5', '5e-4', '0.05', '15.0', '.inf')
    """
    if value != value or value in (float("inf"), float("-inf")):
        return ".nan" if value != value else ".inf" if value > 0 else "-.inf"
    text = repr(value)
    digits, _, exponent = text.partition("e")
    if exponent:
        return f"{digits}e{int(exponent)}"
    if 0 < abs(value) < 0.01:
        short = number_in_powers(value)
        return short if float(short) == value else text
    return text


def number_in_powers(value: float) -> str:
    """``5e-4`` for 0.0005."""
    digits, _, exponent = f"{value:.15e}".partition("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"


def hint(value: object, annotation: Any) -> str:
    """A word on the commonest slips: yes for true, a number in quotes."""
    plain = [bare(choice)[0] for choice in alternatives(annotation)]
    if not isinstance(value, str):
        return ""
    if bool in plain and value.lower() in ("yes", "no", "on", "off", "true", "false", "y", "n"):
        return f"; in YAML 1.2 {value!r} is a word"
    if float in plain or int in plain:
        try:
            float(value)
        except ValueError:
            return ""
        return "; without the quotes it is a number"
    return ""
