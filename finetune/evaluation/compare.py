"""Runs side by side on the same images: is one really better, and where do they differ?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.errors import DataError
from finetune.evaluation.intervals import (
    counted,
    draw,
    interval_of,
    multiclass_statistics,
    multilabel_statistics,
    resamples_for,
    wilson,
)
from finetune.evaluation.lines import predicted_of_lines, scored_of_lines, together_of
from finetune.evaluation.sides import Side, at_one_place, common_images, read_sides
from finetune.labels import LabelSpace
from finetune.metrics.definitions import MULTICLASS
from finetune.predict import is_right, most_probable


@dataclass(frozen=True)
class Difference:
    """One run against the first.

    Args:
        run: Its name.
        metrics: By metric ``difference`` (this run's less the first's) and ``interval``, of a bootstrap that draws the
            same images for both; ``interval`` is None where every draw gives the same.
        only_first, only_this: Images that only one of the two has all right.
        p: McNemar's exact test of these two counts: how likely they differ so much where both runs are as good. Images
            of one group are counted as one, see `sign_test`.
        p_holm: The same after Holm's correction for several runs; None for two.
    """

    run: str
    metrics: dict[str, dict[str, Any]]
    only_first: int
    only_this: int
    p: float
    p_holm: float | None = None


@dataclass(frozen=True)
class Comparison:
    """What a comparison came to.

    Args:
        runs: Their names, the first compared with.
        images: How many images all of them predicted.
        metrics: By run, its metrics on these images, with ``intervals``.
        differences: Each other run against the first.
        differing: A row for each image that not all decide alike: ``path``, ``true``, ``predicted`` and ``right`` by
            run; those first that only some have right.
        notes: What a user should know.
    """

    runs: list[str]
    images: int
    metrics: dict[str, dict[str, Any]]
    differences: list[Difference]
    differing: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """The table that ``deit-finetune compare`` prints."""
        from finetune.evaluation.comparison_table import comparison_table

        return comparison_table(self)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "runs": self.runs,
            "images": self.images,
            "metrics": self.metrics,
            "differences": [vars(difference) for difference in self.differences],
            "differing": self.differing,
            "notes": self.notes,
        }


def compare(runs: Sequence[str | Path], split: str | None = None) -> Comparison:
    """Compare runs on the images that all of them predicted.

    Args:
        runs: At least two run folders, folders of cross-validations, or folders of evaluations.
        split: Of which split; by default test where all have it, else validation, else the only one of each.
    Raises:
        RunFolderError: a folder has no predictions.
        DataError: the runs have other tasks or classes, or no image in common.
    """
    if len(runs) < 2:
        raise DataError("compare needs at least two runs; the first is the one that the others are compared with")
    sides = at_one_place(read_sides(runs, split))
    first, names = sides[0], [side.name for side in sides]
    paths, notes = common_images(sides)
    lines = [[side.lines[path] for path in paths] for side in sides]
    groups, drawn, whole, right = _groups(lines), [], [], []
    if groups is not None:
        notes.append(f"the images are of {groups.max() + 1} groups, which are drawn and tested whole")
    resamples = resamples_for(len(paths), len(first.labels))
    for side, own in zip(sides, lines, strict=True):
        statistics = _statistics(own, side, first.labels)
        whole.append({key: float(value[0]) for key, value in statistics(np.ones((1, len(own)))).items()})
        drawn.append(draw(statistics, len(own), resamples, groups))
        right.append(np.array([is_right({**line, "predicted": most_probable(line, side.task)}) for line in own]))
    metrics = {
        name: _with_intervals(values, draws, len(paths), groups)
        for name, values, draws in zip(names, whole, drawn, strict=True)
    }
    differences = [
        _difference(names[i], (whole[0], whole[i]), (drawn[0], drawn[i]), (right[0], right[i]), groups)
        for i in range(1, len(sides))
    ]
    return Comparison(names, len(paths), metrics, _holm(differences), _differing(names, lines, right), notes)


def sign_test(leads: NDArray[Any]) -> float:
    """How likely so uneven a sum of leads is, or a more uneven one, where each might as well have the other sign.

    With an image for each lead, 1 or -1 where only one of two runs is right, it is McNemar's exact test.

    Args:
        leads: Whole numbers, one for each image or group: on how many images more the one run is right.
    Returns:
        The exact two-sided p.
    Source: McNemar 1947; of groups, Fisher's randomization test of pairs ("The Design of Experiments", 1935).

    >>> round(sign_test(np.array([-1] + [1] * 9 + [0] * 30)), 4), sign_test(np.zeros(3))
    (0.0215, 1.0)
    """
    from scipy.stats import binom

    chances = np.ones(1)  # of the sums from -most to most
    for size, times in zip(*np.unique(np.abs(leads[leads != 0]).astype(np.int64), return_counts=True), strict=True):
        own = np.zeros(2 * size * times + 1)
        own[:: 2 * size] = binom.pmf(np.arange(times + 1), times, 0.5)
        chances = np.convolve(chances, own)
    sums = np.abs(np.arange(len(chances)) - len(chances) // 2)
    return min(1.0, float(chances[sums >= abs(int(leads.sum()))].sum()))


# ---------------------------------------------------------------- comparing


def _statistics(lines: Sequence[dict[str, Any]], side: Side, labels: LabelSpace) -> Any:
    scored = scored_of_lines(lines, labels, side.task, "compared")
    if not np.isfinite(scored.logits).all():
        raise DataError(f"{side.name}: has predictions that are no numbers, so nothing compares")
    if side.task == MULTICLASS:
        return multiclass_statistics(scored.logits, scored.targets, scored.logits.argmax(axis=1))
    return multilabel_statistics(scored.logits, scored.targets, predicted_of_lines(lines, labels))


def _groups(lines: Sequence[Sequence[dict[str, Any]]]) -> NDArray[np.int64] | None:
    """Each image's group, counted from 0, as the first run that knows groups has them; None where none does."""
    known = [found for found in map(together_of, lines) if found is not None]
    return counted(known[0]) if known else None


def _with_intervals(
    whole: dict[str, float],
    drawn: dict[str, NDArray[np.float64]],
    images: int,
    groups: NDArray[np.int64] | None,
) -> dict[str, Any]:
    intervals: dict[str, Any] = {key: interval_of(drawn[key], whole[key]) for key in drawn}
    trials = images if groups is None else int(groups.max()) + 1
    if groups is None or intervals["accuracy"] is None:
        intervals["accuracy"] = wilson(round(whole["accuracy"] * trials), trials)
    return {"images": images, **{key: _number(value) for key, value in whole.items()}, "intervals": intervals}


def _difference(
    run: str,
    whole: tuple[dict[str, float], dict[str, float]],
    drawn: tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]],
    right: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    groups: NDArray[np.int64] | None,
) -> Difference:
    metrics = {}
    for key in whole[0]:
        change = whole[1][key] - whole[0][key]
        metrics[key] = {
            "difference": _number(change),
            "interval": interval_of(drawn[1][key] - drawn[0][key], change),
        }
    only_first, only_this = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    leads = right[1].astype(np.int64) - right[0]
    leads = leads if groups is None else np.bincount(groups, weights=leads).astype(np.int64)
    return Difference(run, metrics, only_first, only_this, sign_test(leads))


def _holm(differences: list[Difference]) -> list[Difference]:
    """With Holm's correction, where there are several."""
    if len(differences) < 2:
        return differences
    order = sorted(range(len(differences)), key=lambda i: differences[i].p)
    corrected, highest = {}, 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * differences[i].p))
        corrected[i] = highest
    return [Difference(**{**vars(one), "p_holm": corrected[i]}) for i, one in enumerate(differences)]


def _differing(
    names: Sequence[str], lines: Sequence[Sequence[dict[str, Any]]], right: Sequence[NDArray[np.bool_]]
) -> list[dict[str, Any]]:
    rows = []
    for image, own in enumerate(zip(*lines, strict=True)):
        if len({tuple(sorted(line["predicted"])) for line in own}) == 1:
            continue
        rows.append(
            {
                "path": own[0]["path"],
                "true": own[0]["true"],
                "predicted": {name: line["predicted"] for name, line in zip(names, own, strict=True)},
                "right": {name: bool(hits[image]) for name, hits in zip(names, right, strict=True)},
            }
        )
    return sorted(rows, key=lambda row: len(set(row["right"].values())) == 1)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
