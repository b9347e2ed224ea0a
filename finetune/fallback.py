"""What stands in for a checkpoint or data that cannot be reached: the recipe's ``offline`` section, loudly.

The decision is made once, before anything is downloaded. Data that cannot be had are replaced by the section's
``data.*`` keys, a checkpoint by all its other keys: they hold what suits the other checkpoint.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from finetune.errors import UnreachableError
from finetune.reachability import SECONDS, Need, checkpoint_need, data_need, reasons_against
from finetune.recipe import Recipe, offline_recipe
from finetune.recipe.words import found

WIDTH = 78
Part = Literal["checkpoint", "data"]


@dataclass(frozen=True)
class Reached:
    """What a run can have of what its recipe names. Plain and picklable, so that one process can decide for all.

    Args:
        recipe: The recipe to carry out: the one given, or with its offline section applied.
        replaced: Dotted key to ``{"from": …, "to": …, "why": …}``.
        notice: The framed text that a user has to see, or None.
    """

    recipe: Recipe
    replaced: dict[str, dict[str, Any]]
    notice: str | None = None

    @property
    def fallback(self) -> bool:
        """Whether anything stands in for what the recipe names."""
        return bool(self.replaced)


def reach(recipe: Recipe, strict: bool = False, *, checkpoint: bool = True) -> Reached:
    """Decide whether checkpoint and data can be had, and apply the ``offline`` section where they cannot.

    Takes at most 4 seconds for the network, however it misbehaves; what is on the disk needs no network.

    Args:
        recipe: A loaded recipe.
        strict: Fail instead of falling back.
        checkpoint: Ask for the checkpoint too; False where only the data are needed.
    Raises:
        UnreachableError: something cannot be reached, and nothing may or can stand in for it.
    """
    parts: tuple[Part, ...] = ("checkpoint", "data") if checkpoint else ("data",)
    end = time.monotonic() + SECONDS
    missing = _missing(recipe, parts, end)
    if not missing:
        return Reached(recipe, {})
    if strict:
        raise UnreachableError(_refusal(missing, "--no-fallback allows nothing to stand in"))
    stand_in = offline_recipe(recipe, checkpoint="checkpoint" in missing, data="data" in missing)
    unchanged = [_key(part) for part in missing if _need(stand_in, part) == missing[part].need]
    if unchanged:
        section = f"offline section has no {unchanged[0]}" if recipe.offline else "recipe has no offline section"
        raise UnreachableError(_refusal(missing, f"the {section} to stand in"))
    still = _missing(stand_in, tuple(missing), end)
    if still:
        raise UnreachableError(_refusal({**missing, **still}, "what the offline section names cannot be had either"))
    replaced = _replaced(recipe, stand_in, missing)
    return Reached(stand_in, replaced, _notice(missing, replaced))


@dataclass(frozen=True)
class Missing:
    """Something that cannot be had, and why."""

    need: Need
    why: str


def _need(recipe: Recipe, part: Part) -> Need:
    return checkpoint_need(recipe.model) if part == "checkpoint" else data_need(recipe.data)


def _missing(recipe: Recipe, parts: tuple[Part, ...], end: float) -> dict[Part, Missing]:
    """The parts that cannot be had; the network is asked until the end."""
    needs = [_need(recipe, part) for part in parts]
    reasons = reasons_against(needs, max(0.1, end - time.monotonic()))
    return {part: Missing(need, why) for part, need, why in zip(parts, needs, reasons, strict=True) if why}


def _key(part: Part) -> str:
    return "model.checkpoint" if part == "checkpoint" else "data.root or data.name"


def _replaced(recipe: Recipe, stand_in: Recipe, missing: Mapping[Part, Missing]) -> dict[str, dict[str, Any]]:
    before, after = recipe.model_dump(mode="json"), stand_in.model_dump(mode="json")
    replaced = {}
    for key in recipe.offline:
        part: Part = "data" if key.partition(".")[0] == "data" else "checkpoint"
        if part in missing and _at(before, key) != _at(after, key):
            why = f"{missing[part].need.name}: {missing[part].why}"
            replaced[key] = {"from": _at(before, key), "to": _at(after, key), "why": why}
    return replaced


def _at(tree: Any, key: str) -> Any:
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return tree


# ---------------------------------------------------------------- what is said


def _refusal(missing: Mapping[Part, Missing], why_no_stand_in: str) -> str:
    lines = [f"  {item.need.key}: {item.need.name}: {item.why}" for item in missing.values()]
    advice = [_advice(part, item) for part, item in missing.items()]
    return "\n".join([f"cannot be reached, and {why_no_stand_in}:", *lines, *advice])


def _advice(part: Part, item: Missing) -> str:
    name = item.need.name
    network = f"Unset {item.why.split()[0]}" if item.why.endswith(" is set") else "Connect to the network"
    if part == "checkpoint":
        folder = name.rpartition("/")[2]
        return (
            f"{network}; or fetch it elsewhere with `hf download {name} --local-dir {folder}`, copy the folder here "
            f"and set model.checkpoint={folder}."
        )
    if item.need.key == "data.name":
        return f"{network}; or copy the data set {name} here and set data.name to its folder."
    return f"{network}; or fetch the archive elsewhere, unpack it here and set data.root to its folder."


def _notice(missing: Mapping[Part, Missing], replaced: Mapping[str, Mapping[str, Any]]) -> str:
    lines = ["FALLBACK: THIS RUN DOES NOT USE WHAT ITS RECIPE NAMES", ""]
    for part, item in missing.items():
        lines += [f"The {part} cannot be reached: {item.need.name}", f"  because {item.why}"]
    lines += ["", "Used instead, from the recipe's offline section:"]
    lines += [
        f"  {key}: {_word(change['to'])} (instead of {_word(change['from'])})" for key, change in replaced.items()
    ]
    lines += ["", "All scores are those of what is used instead. For the real thing:"]
    lines += [f"  {_advice(part, item)}" for part, item in missing.items()]
    lines += ["--no-fallback fails here instead."]
    return _framed(lines)


def _word(value: object) -> str:
    return value if isinstance(value, str) else found(value)


def _framed(lines: list[str]) -> str:
    """Lines in a frame of plain ASCII, which every terminal and log file shows."""
    rule = "+" + "-" * (WIDTH - 2) + "+"
    inside = []
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        inside += textwrap.wrap(line, WIDTH - 4, subsequent_indent=indent, break_on_hyphens=False) or [""]
    return "\n".join([rule, *(f"| {line:<{WIDTH - 4}} |" for line in inside), rule])
