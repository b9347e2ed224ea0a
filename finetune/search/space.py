"""``search.space``: checked through the recipe's own door before anything trains, and drawn from."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from finetune.errors import RecipeError
from finetune.recipe import Recipe, with_overrides
from finetune.recipe.dump import flow
from finetune.recipe.sections import Span

if TYPE_CHECKING:
    from optuna import Trial

FIXED = ("task", "data", "evaluate", "run", "search", "offline")
VARIED_ALL_THE_SAME = ("data.sampling",)


def check_space(recipe: Recipe) -> None:
    """Put both ends of every span, and every listed value, into the recipe.

    A value that the recipe refuses may need another key's: it is sound if it is taken beside one of theirs. Values
    that only clash with some of another key's are left to the trials, of which those then fail; two keys of which no
    pair of values is taken are a fault.

    Raises:
        RecipeError: there is nothing to vary, a key does not exist or may not vary, or a value is none that it takes.
    """
    space = recipe.search.space
    if not space:
        example = "search: {space: {optim.learning_rate: {low: 1e-5, high: 1e-2, log: true}}}"
        raise RecipeError([f"search.space: is empty, so there is nothing to vary; write for example {example}"])
    wrong = {key: list(_key_faults(key, choices)) for key, choices in space.items()}
    ends = {key: _extremes(choices) for key, choices in space.items() if not wrong[key]}
    faults = [fault for key in space for fault in wrong[key] or _value_faults(recipe, key, ends)]
    faults = faults or _pair_faults(recipe, ends)
    if faults:
        raise RecipeError(faults)


def draw(trial: Trial, space: Mapping[str, Span | list[Any]]) -> dict[str, Any]:
    """Values of a trial, by dotted key. A listed value is known to the study by how YAML writes it."""
    values: dict[str, Any] = {}
    for key, choices in space.items():
        if isinstance(choices, list):
            known = {flow(value): value for value in choices}
            values[key] = known[trial.suggest_categorical(key, list(known))]
        elif choices.whole:
            values[key] = trial.suggest_int(key, int(choices.low), int(choices.high), log=choices.log)
        else:
            values[key] = trial.suggest_float(key, choices.low, choices.high, log=choices.log)
    return values


def without_origin(error: RecipeError) -> list[str]:
    """The faults without a word that an override, which nobody wrote, is to blame."""
    return [fault.removesuffix(" (an override)") for fault in error.faults]


def _key_faults(key: str, choices: Span | list[Any]) -> Iterator[str]:
    """What is wrong with a key or its choices, whatever the recipe."""
    where = f"search.space: {key}"
    if key.partition(".")[0] in FIXED and key not in VARIED_ALL_THE_SAME:
        yield f"{where}: may not vary: trials are compared on the same images, by the same measure"
    elif isinstance(choices, Span) and choices.whole and not (choices.low.is_integer() and choices.high.is_integer()):
        yield f"{where}: found low {choices.low:g} and high {choices.high:g}, expected whole numbers, as whole is true"
    elif isinstance(choices, list) and len({flow(value) for value in choices}) < max(1, len(choices)):
        yield f"{where}: found {flow(choices)}, expected at least one value, each once"


def _value_faults(recipe: Recipe, key: str, ends: Mapping[str, list[Any]]) -> Iterator[str]:
    """Why the recipe takes a value of a key neither alone nor beside any value of another key."""
    beside = [{other: value} for other, values in ends.items() if other != key for value in values]
    wrong: dict[str, None] = {}
    for value in ends[key]:
        refused = _refusal(recipe, {key: value})
        if refused and all(_refusal(recipe, {key: value, **other}) for other in beside):
            wrong |= dict.fromkeys(refused)
    yield from (f"search.space: {fault}" for fault in wrong)


def _pair_faults(recipe: Recipe, ends: Mapping[str, list[Any]]) -> list[str]:
    """Pairs of keys that never go together, although each has a value that the recipe takes."""
    alone = [key for key, values in ends.items() if any(not _refusal(recipe, {key: value}) for value in values)]
    faults = []
    for one, other in itertools.combinations(alone, 2):
        pairs = [{one: first, other: second} for first in ends[one] for second in ends[other]]
        if all(_refusal(recipe, pair) for pair in pairs):
            first, *_ = _refusal(recipe, pairs[0])
            faults.append(f"search.space: {one} and {other}: no two of their values go together: {first}")
    return faults


def _extremes(choices: Span | list[Any]) -> list[Any]:
    if isinstance(choices, list):
        return choices
    ends = [choices.low, choices.high]
    return [int(end) for end in ends] if choices.whole else ends


def _refusal(recipe: Recipe, values: Mapping[str, Any]) -> list[str]:
    try:
        with_overrides(recipe, values)
    except RecipeError as error:
        return without_origin(error)
    return []
