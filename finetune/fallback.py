"""What stands in for a checkpoint, a teacher or data that cannot be reached: the recipe's ``offline`` section, loudly.

The decision is made once, before anything is downloaded. Data that cannot be had are replaced by the section's
``data.*`` keys, a teacher by its ``distill`` keys, a checkpoint by all but ``data.*``: they hold what suits the other
checkpoint.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from finetune.errors import UnreachableError
from finetune.reachability import SECONDS, Need, checkpoint_need, data_need, reasons_against, teacher_need
from finetune.recipe import Recipe, offline_recipe
from finetune.recipe.words import found

WIDTH = 78
Part = Literal["checkpoint", "teacher", "data"]
PARTS: tuple[Part, ...] = ("checkpoint", "teacher", "data")
KEYS: dict[Part, str] = {
    "checkpoint": "model.checkpoint",
    "teacher": "distill.teacher",
    "data": "data.root or data.name",
}


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


def reach(recipe: Recipe, strict: bool = False, *, parts: Sequence[Part] = PARTS) -> Reached:
    """Decide whether checkpoint, teacher and data can be had, and apply the ``offline`` section where they cannot.

    Takes at most 4 seconds for the network, however it misbehaves; what is on the disk needs no network.

    Args:
        recipe: A loaded recipe.
        strict: Fail instead of falling back.
        parts: What is needed.
    Raises:
        UnreachableError: something cannot be reached, and nothing may or can stand in for it.
    """
    end = time.monotonic() + SECONDS
    missing = _missing(recipe, parts, end)
    if not missing:
        return Reached(recipe, {})
    if strict:
        raise UnreachableError(_refusal(missing, "--no-fallback allows nothing to stand in"))
    stand_in = _stand_in(recipe, missing)
    unchanged = [part for part in missing if _need(stand_in, part) == missing[part].need]
    if unchanged:
        section = f"offline section has no {KEYS[unchanged[0]]}" if recipe.offline else "recipe has no offline section"
        raise UnreachableError(_refusal(missing, f"the {section} to stand in"))
    still = _missing(stand_in, [part for part in parts if _need(stand_in, part) != _need(recipe, part)], end)
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
    if part == "data":
        return data_need(recipe.data)
    return checkpoint_need(recipe.model) if part == "checkpoint" else teacher_need(recipe.distill)


def _stand_in(recipe: Recipe, missing: Collection[Part]) -> Recipe:
    """With the keys of the offline section that stand in for what is missing."""
    chosen = {key: value for key, value in recipe.offline.items() if _cause(key, missing)}
    applied = offline_recipe(recipe.model_copy(update={"offline": chosen}), checkpoint=True, data=True)
    return applied.model_copy(update={"offline": recipe.offline})


def _cause(key: str, missing: Collection[Part]) -> Part | None:
    """For which of the missing parts a key of the offline section stands in."""
    section = key.partition(".")[0]
    causes: dict[str, tuple[Part, ...]] = {"data": ("data",), "distill": ("teacher", "checkpoint")}
    return next((part for part in causes.get(section, ("checkpoint",)) if part in missing), None)


def _missing(recipe: Recipe, parts: Sequence[Part], end: float) -> dict[Part, Missing]:
    """The parts that cannot be had; the network is asked until the end."""
    needs = [_need(recipe, part) for part in parts]
    reasons = reasons_against(needs, max(0.1, end - time.monotonic()))
    return {part: Missing(need, why) for part, need, why in zip(parts, needs, reasons, strict=True) if why}


def _replaced(recipe: Recipe, stand_in: Recipe, missing: Mapping[Part, Missing]) -> dict[str, dict[str, Any]]:
    before, after = recipe.model_dump(mode="json"), stand_in.model_dump(mode="json")
    replaced = {}
    for key in recipe.offline:
        part = _cause(key, missing)
        if part is not None and _at(before, key) != _at(after, key):
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
    if part != "data":
        folder = name.rpartition("/")[2]
        other = ", or to the folder of a run of the same classes" if part == "teacher" else ""
        return (
            f"{network}; or fetch it elsewhere with `hf download {name} --local-dir {folder}`, copy the folder here "
            f"and set {item.need.key}={folder}{other}."
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
