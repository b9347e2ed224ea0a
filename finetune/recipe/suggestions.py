"""What to write instead of a key that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from finetune.recipe.elsewhere import our_keys, why_not
from finetune.recipe.keys import (
    Path,
    annotation_at,
    data_sections,
    dotted,
    fixed_keys,
    kind_in,
    leaf_keys,
    sections_at,
)
from finetune.recipe.sections import Recipe
from finetune.recipe.words import either


def unknown_key(path: Path, tree: Mapping[str, Any]) -> str:
    """What to say of a key that no section has.

    >>> unknown_key(("optim", "learning_rat"), {})
    'unknown key; did you mean learning_rate?'
    >>> unknown_key(("optim", "seed"), {})
    'unknown key; did you mean data.split.seed, data.seed or run.seed?'
    >>> unknown_key(("run", "num_train_epochs"), {})
    'unknown key; did you mean optim.epochs?'
    >>> unknown_key(("optim", "ema"), {})
    'unknown key; did you mean ema_decay?'
    """
    word, kind = str(path[-1]), kind_in(tree)
    kinds = [name for name, section in data_sections().items() if word in section.model_fields]
    if path[:-1] == ("data",) and kind and kinds:
        return f"unknown key for kind {kind}; it belongs to kind {either(kinds)}"
    meant = _meant(word, path, kind)
    if meant:
        return f"unknown key; did you mean {either(meant)}?"
    reason = why_not(word)
    if reason:
        return f"unknown key; it has none here: {reason}"
    siblings = _siblings(path, kind)
    return f"unknown key; expected {either(siblings)}" if siblings else "unknown key"


def _meant(word: str, path: Path, kind: str | None) -> list[str]:
    """From the surest guess to the boldest: a slip of the finger, another section's key, another tool's name,
    the first part of a key."""
    siblings = _siblings(path, kind)
    if not sections_at(path[:-1], kind):
        return _near(word, siblings, 0.6)
    return (
        _near(word, siblings, 0.85)
        or [key for key in leaf_keys() if _last(key) == word and key != dotted(path)][:3]
        or list(our_keys(word))
        or _beginning(word, siblings)
        or _near(word, siblings, 0.6)
        or _anywhere(word)
    )


def _anywhere(word: str) -> list[str]:
    near = _near(word, map(_last, leaf_keys()), 0.8) or _beginning(word, map(_last, leaf_keys()))
    return [key for key in leaf_keys() if _last(key) in near][:3]


def _beginning(word: str, known: Iterable[str]) -> list[str]:
    """The keys of which the word is the first part: rand_augment_magnitude for rand_augment."""
    return [key for key in dict.fromkeys(known) if key.startswith(f"{word}_")]


def _near(word: str, known: Iterable[str], likeness: float) -> list[str]:
    return difflib.get_close_matches(word, list(dict.fromkeys(known)), n=1, cutoff=likeness)


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _siblings(path: Path, kind: str | None) -> list[str]:
    """The keys that stand beside a path; for data of an unknown kind, those of all kinds."""
    if len(path) == 1:
        return list(Recipe.model_fields)
    names = [name for section in sections_at(path[:-1], kind) for name in section.model_fields]
    return list(dict.fromkeys(names)) or fixed_keys(annotation_at(path[:-1], kind))
