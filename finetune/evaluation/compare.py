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
    draw,
    interval_of,
    multiclass_statistics,
    multilabel_statistics,
    resamples_for,
    wilson,
)
from finetune.evaluation.lines import predicted_of_lines, scored_of_lines
from finetune.evaluation.sides import Side, common_images, read_sides, said
from finetune.labels import LabelSpace
from finetune.metrics.definitions import MULTICLASS
from finetune.predict import is_right


@dataclass(frozen=True)
class Difference:
    """One run against the first.

    Args:
        run: Its name.
        metrics: By metric ``difference`` (this run's less the first's) and ``interval``, of a bootstrap that draws the
            same images for both; ``interval`` is None where every draw gives the same.
        only_first, only_this: Images that only one of the two has all right.
        p: McNemar's exact test of these two counts: how likely they differ so much where both runs are as good.
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
    sides = read_sides(runs, split)
    first, names = sides[0], [side.name for side in sides]
    paths, notes = common_images(sides)
    lines = [[side.lines[path] for path in paths] for side in sides]
    drawn, whole, right = [], [], []
    resamples = resamples_for(len(paths), len(first.labels))
    for side, own in zip(sides, lines, strict=True):
        statistics = _statistics(own, side, first.labels)
        whole.append({key: float(value[0]) for key, value in statistics(np.ones((1, len(own)))).items()})
        drawn.append(draw(statistics, len(own), resamples))
        right.append(np.array([is_right({**line, "predicted": said(line, side.task)}) for line in own]))
    metrics = {
        name: _with_intervals(values, draws, len(paths))
        for name, values, draws in zip(names, whole, drawn, strict=True)
    }
    differences = [
        _difference(names[i], (whole[0], whole[i]), (drawn[0], drawn[i]), (right[0], right[i]))
        for i in range(1, len(sides))
    ]
    return Comparison(names, len(paths), metrics, _holm(differences), _differing(names, lines, right), notes)


def mcnemar(only_one: int, only_other: int) -> float:
    """McNemar's exact test: the two-sided p of so uneven a split of the images that only one of two has right.

    Source: McNemar 1947; exact, by the binomial distribution with 1/2.

    >>> round(mcnemar(1, 9), 4), mcnemar(0, 0)
    (0.0215, 1.0)
    """
    from scipy.stats import binomtest

    total = only_one + only_other
    return 1.0 if not total else float(binomtest(min(only_one, only_other), total, 0.5).pvalue)


# ---------------------------------------------------------------- comparing


def _statistics(lines: Sequence[dict[str, Any]], side: Side, labels: LabelSpace) -> Any:
    scored = scored_of_lines(lines, labels, side.task, "compared")
    if not np.isfinite(scored.logits).all():
        raise DataError(f"{side.name}: has predictions that are no numbers, so nothing compares")
    if side.task == MULTICLASS:
        return multiclass_statistics(scored.logits, scored.targets, scored.logits.argmax(axis=1))
    return multilabel_statistics(scored.logits, scored.targets, predicted_of_lines(lines, labels))


def _with_intervals(whole: dict[str, float], drawn: dict[str, NDArray[np.float64]], images: int) -> dict[str, Any]:
    intervals: dict[str, Any] = {key: interval_of(drawn[key], whole[key]) for key in drawn}
    intervals["accuracy"] = wilson(round(whole["accuracy"] * images), images)
    return {"images": images, **{key: _number(value) for key, value in whole.items()}, "intervals": intervals}


def _difference(
    run: str,
    whole: tuple[dict[str, float], dict[str, float]],
    drawn: tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]],
    right: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> Difference:
    metrics = {}
    for key in whole[0]:
        change = whole[1][key] - whole[0][key]
        metrics[key] = {
            "difference": _number(change),
            "interval": interval_of(drawn[1][key] - drawn[0][key], change),
        }
    only_first, only_this = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    return Difference(run, metrics, only_first, only_this, mcnemar(only_first, only_this))


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
