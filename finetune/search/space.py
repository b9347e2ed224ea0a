"""``search.space``: checked through the recipe's own door before anything trains, and drawn from."""

from __future__ import annotations

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
    """Put both ends of every span, and every listed value, into the recipe, one at a time.

    Raises:
        RecipeError: there is nothing to vary, a key does not exist or may not vary, or a value is none that it takes.
    """
    space = recipe.search.space
    if not space:
        example = "search: {space: {optim.learning_rate: {low: 1e-5, high: 1e-2, log: true}}}"
        raise RecipeError([f"search.space: is empty, so there is nothing to vary; write for example {example}"])
    faults = [fault for key, choices in space.items() for fault in _faults(recipe, key, choices)]
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


def _faults(recipe: Recipe, key: str, choices: Span | list[Any]) -> Iterator[str]:
    """What is wrong with a key, or else with its values."""
    where = f"search.space: {key}"
    if key.partition(".")[0] in FIXED and key not in VARIED_ALL_THE_SAME:
        yield f"{where}: may not vary: trials are compared on the same images, by the same measure"
        return
    if isinstance(choices, Span) and choices.whole and not (choices.low.is_integer() and choices.high.is_integer()):
        yield f"{where}: found low {choices.low:g} and high {choices.high:g}, expected whole numbers, as whole is true"
        return
    if isinstance(choices, list) and len({flow(value) for value in choices}) < max(1, len(choices)):
        yield f"{where}: found {flow(choices)}, expected at least one value, each once"
        return
    wrong = [fault for value in _extremes(choices) for fault in _refusal(recipe, key, value)]
    yield from dict.fromkeys(f"search.space: {fault}" for fault in wrong)


def _extremes(choices: Span | list[Any]) -> list[Any]:
    if isinstance(choices, list):
        return choices
    ends = [choices.low, choices.high]
    return [int(end) for end in ends] if choices.whole else ends


def _refusal(recipe: Recipe, key: str, value: Any) -> list[str]:
    try:
        with_overrides(recipe, {key: value})
    except RecipeError as error:
        return [fault.removesuffix(" (an override)") for fault in error.faults]
    return []
