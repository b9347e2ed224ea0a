"""How far a measured number can be trusted: 95 % intervals, as validation sets here have a few dozen images.

They say how much the number would vary over other images of the same kind, for this model. They do not say how much it
would vary over models: that needs several trainings, see ``deit-finetune crossval``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.metrics.definitions import MULTICLASS
from finetune.metrics.scores import log_softmax, softmax_log_odds

CONFIDENCE = 0.95
NORMAL = NormalDist()
QUANTILE = NORMAL.inv_cdf((1 + CONFIDENCE) / 2)
SEED = 0
MOST, LEAST = 1000, 100
"""Resamples of a bootstrap: fewer for many images, whose values are spread as the normal distribution is."""
_WORK = 20_000_000
"""Images, or where they are ranked cells, that all resamples together hold, while there are more than `LEAST`."""
_RANKED_CELLS = 500_000
_BLOCK_CELLS = 1 << 21

Floats = NDArray[np.float64]
Ends = list[float]
Statistics = Callable[[Floats], dict[str, Floats]]
"""(resamples, images) weights to each metric's (resamples,) values; NaN where a resample has none."""


def wilson(successes: int, trials: int) -> Ends:
    """Wilson's 95 % interval of a proportion.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference". Unlike p ± 1.96 s it
    stays within 0 to 1, and has a width where all or none succeed.

    24 right of 26, as in the README:

    >>> [round(end, 3) for end in wilson(24, 26)]
    [0.759, 0.979]
    >>> [round(end, 3) for end in wilson(27, 27)]
    [0.875, 1.0]
    """
    share, z2 = successes / trials, QUANTILE**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = QUANTILE / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == trials else min(1.0, middle + half)
    return [low, high]


def headline_intervals(
    task_name: str,
    logits: NDArray[Any],
    targets: NDArray[Any],
    predicted: NDArray[Any],
    metrics: Mapping[str, Any],
    together: NDArray[Any] | None = None,
) -> dict[str, Ends | None]:
    """The 95 % interval of each headline metric.

    Shares of images (accuracy, top-k accuracy) have Wilson's interval, all others a bias-corrected bootstrap's, which
    draws images of one group together; then shares have it too, as Wilson's takes images for independent (where every
    draw gives the same, Wilson's of so many groups).

    Args:
        task_name: multiclass or multilabel.
        logits, targets: As of `finetune.metrics.score_metrics`.
        predicted: multiclass (images,) class ids; multilabel (images, classes) of 1 and 0.
        metrics: What `score_metrics` returned for them.
        together: (images,) numbers; images of one number belong together.
    Returns:
        By metric ``[low, high]``. None where the metric has no value; where every draw gives the same (a perfect score
        on few images: a bootstrap cannot say how much worse it might be, Wilson's interval of accuracy can); and for
        mAP beyond half a million cells (image and class), where a bootstrap would take long and say little.
    """
    names = _names(metrics)
    if metrics["images"] == 0 or metrics["images_not_finite"]:
        return dict.fromkeys(names)
    logits, targets, predicted = (np.asarray(array) for array in (logits, targets, predicted))
    known = targets >= 0 if targets.ndim == 1 else (targets >= 0).any(axis=1)
    kept = logits[known], targets[known], predicted[known]
    statistics = (multiclass_statistics if task_name == MULTICLASS else multilabel_statistics)(*kept)
    groups = None if together is None else counted(np.asarray(together)[known])
    found: dict[str, Ends | None] = bootstrap(statistics, len(kept[0]), resamples_for(*kept[0].shape), groups)
    images = metrics["images"]
    for name in _proportions(task_name, names):
        trials = images if groups is None else int(groups.max()) + 1
        if groups is None or found.get(name) is None:
            found[name] = wilson(round(metrics[name] * trials), trials)
    return {name: None if metrics[name] is None else _possible(name, found.get(name)) for name in names}


def counted(together: NDArray[Any]) -> NDArray[np.int64] | None:
    """Each image's group, counted from 0 without a gap; None where every image is one of its own."""
    names, groups = np.unique(together, return_inverse=True)
    return None if len(names) == len(groups) else groups.reshape(-1).astype(np.int64)


def _possible(name: str, ends: Ends | None) -> Ends | None:
    """Ends that the metric can have: the normal distribution knows no bounds.

    >>> _possible("mAP", [0.99, 1.01]), _possible("loss", [-0.1, 1.2])
    ([0.99, 1.0], [0.0, 1.2])
    """
    low, high = (-1.0 if "matthews" in name else 0.0), (math.inf if name == "loss" else 1.0)
    return None if ends is None else [min(max(end, low), high) for end in ends]


def resamples_for(images: int, classes: int) -> int:
    """How many resamples the images get: 1,000 up to 20,000 cells (image and class), and fewer beyond.

    >>> resamples_for(300, 10), resamples_for(5000, 10), resamples_for(1_000_000, 4)
    (1000, 400, 100)
    """
    work = images * classes if images * classes <= _RANKED_CELLS else images
    return int(np.clip(_WORK // max(1, work), LEAST, MOST))


def bootstrap(
    statistics: Statistics, images: int, resamples: int = MOST, groups: NDArray[np.int64] | None = None
) -> dict[str, Ends | None]:
    """Intervals of statistics over images that are drawn with replacement.

    Plain percentiles of mAP lie too high on few images, because an image that is drawn twice ties with itself. Which
    percentiles are taken therefore depends on the share of draws below the value of all images.

    Source: Efron 1987, "Better bootstrap confidence intervals", BC (with an acceleration of 0). On 27 images of 4
    classes 89 to 96 % of the intervals held the true value, of plain percentiles 85 to 96 % (RESULTS.md).

    Args:
        statistics: What is computed from weights, which count how often each image was drawn.
        images: How many there are.
        resamples: How many draws.
        groups: Each image's group, counted from 0: whole groups are drawn.
    Returns:
        ``[low, high]`` among the draws that have a value; None where they are all the same.
    """
    whole, drawn = statistics(np.ones((1, images))), draw(statistics, images, resamples, groups)
    return {name: interval_of(values, float(whole[name][0])) for name, values in drawn.items()}


def interval_of(values: Floats, whole: float) -> Ends | None:
    """The interval of a statistic: bias-corrected percentiles, or of fewer than 1,000 draws, which many images get,
    1.96 of their standard deviations on either side.

    Args:
        values: Of the draws; NaN for one without a value.
        whole: The value of all images.
    """
    there = values[np.isfinite(values)]
    if not len(there) or there.max() - there.min() < 1e-12:
        return None
    if len(values) >= MOST:
        return bias_corrected(there, whole)
    half = QUANTILE * float(there.std(ddof=1))
    return [whole - half, whole + half]


def draw(
    statistics: Statistics, images: int, resamples: int = MOST, groups: NDArray[np.int64] | None = None
) -> dict[str, Floats]:
    """The values of statistics on each draw, of images or of whole groups; the same draws at every call."""
    units = images if groups is None else int(groups.max()) + 1
    drawn = (weights if groups is None else weights[:, groups] for weights in _weights(units, resamples))
    pieces = [statistics(weights) for weights in drawn]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def _weights(images: int, resamples: int) -> Iterator[Floats]:
    random, step = np.random.default_rng(SEED), max(1, _BLOCK_CELLS // images)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        yield np.stack(
            [np.bincount(random.integers(images, size=images), minlength=images) for _ in range(count)]
        ).astype(np.float64)


def bias_corrected(there: Floats, whole: float) -> Ends:
    """Efron's BC interval of draws that have a value.

    With half of the draws on either side of the value, the ends are the plain percentiles:

    >>> [round(end, 3) for end in bias_corrected(np.linspace(0.0, 1.0, 1001), 0.5)]
    [0.025, 0.975]
    """
    below = float(np.mean(there < whole) + np.mean(there == whole) / 2)
    shift = 2 * NORMAL.inv_cdf(min(max(below, 1e-3), 1 - 1e-3))
    return [float(end) for end in np.quantile(there, [NORMAL.cdf(shift - QUANTILE), NORMAL.cdf(shift + QUANTILE)])]


def _proportions(task_name: str, names: list[str]) -> list[str]:
    """The metrics that are shares of images."""
    same_as_accuracy = ("f1_micro",) if task_name == MULTICLASS else ()
    return [name for name in names if name in ("accuracy", *same_as_accuracy) or name.startswith("top")]


def _names(metrics: Mapping[str, Any]) -> list[str]:
    """The metrics that get an interval, among those that were measured."""
    wanted = ("loss", "accuracy", "balanced_accuracy", "hamming_accuracy", "mAP", "f1_macro", "f1_micro")
    more = ("precision_macro", "recall_macro")
    top_k = [name for name in metrics if name.startswith("top") and name.endswith("_accuracy")]
    return [name for name in (*wanted, *top_k, *more) if name in metrics]


def multiclass_statistics(logits: NDArray[Any], targets: NDArray[Any], predicted: NDArray[Any]) -> Statistics:
    """The statistics of images with one label each."""
    log_probabilities = log_softmax(logits)
    losses = -log_probabilities[np.arange(len(targets)), targets]
    right, classes = targets == predicted, logits.shape[1]
    ranked = ranking(softmax_log_odds(log_probabilities), targets[:, None] == np.arange(classes))

    def statistics(weights: Floats) -> dict[str, Floats]:
        drawn = weights.sum(axis=1)

        def counts(ids: NDArray[Any], of: Floats) -> Floats:
            return np.stack([np.bincount(ids, weights=row, minlength=classes) for row in of])

        hits, support = counts(targets, weights * right), counts(targets, weights)
        return {
            "accuracy": (weights @ right) / drawn,
            "loss": (weights @ losses) / drawn,
            **_means(hits, support, counts(predicted, weights)),
            **ranked(weights),
        }

    return statistics


def multilabel_statistics(logits: NDArray[Any], targets: NDArray[Any], predicted: NDArray[Any]) -> Statistics:
    """The statistics of images with any number of labels."""
    known, present = targets >= 0, targets == 1
    chosen = (predicted == 1) & known
    exact = logits.astype(np.float64)
    losses = (np.where(known, np.logaddexp(0.0, exact) - exact * present, 0.0)).sum(axis=1)
    cells = known.sum(axis=1).astype(np.float64)
    right_cells = ((chosen == present) & known).sum(axis=1).astype(np.float64)
    exactly = (chosen == present).all(axis=1)
    hit, real, guess = ((array).astype(np.float64) for array in (chosen & present, present, chosen))
    ranked = ranking(exact, present, known)

    def statistics(weights: Floats) -> dict[str, Floats]:
        drawn_cells = weights @ cells
        hits, support, guesses = weights @ hit, weights @ real, weights @ guess
        both = support.sum(axis=1) + guesses.sum(axis=1)
        micro = _ratio(2 * hits.sum(axis=1), np.where(support.sum(axis=1) > 0, both, 0.0))
        return {
            "accuracy": (weights @ exactly) / weights.sum(axis=1),
            "loss": (weights @ losses) / drawn_cells,
            "hamming_accuracy": (weights @ right_cells) / drawn_cells,
            **_means(hits, support, guesses),
            "f1_micro": micro,
            **ranked(weights),
        }

    return statistics


def _means(hits: Floats, support: Floats, guesses: Floats) -> dict[str, Floats]:
    """Means over the classes that a draw holds: (resamples, classes) counts to (resamples,) values."""
    occurs = support > 0
    classes = occurs.sum(axis=1)

    def over_classes(values: Floats) -> Floats:
        return _ratio(np.where(occurs, values, 0.0).sum(axis=1), classes.astype(np.float64))

    recall = over_classes(hits / np.maximum(support, 1.0))
    return {
        "recall_macro": recall,
        "balanced_accuracy": recall,
        "precision_macro": over_classes(hits / np.maximum(guesses, 1.0)),
        "f1_macro": over_classes(2 * hits / np.maximum(support + guesses, 1.0)),
    }


def ranking(scores: NDArray[Any], present: NDArray[np.bool_], known: NDArray[np.bool_] | None = None) -> Statistics:
    """mAP, the average precision of each class averaged over the classes that a draw holds.

    Args:
        scores: (images, classes); only the order within a column counts.
        present: (images, classes).
        known: (images, classes); None for all.
    """
    if scores.size > _RANKED_CELLS:
        return lambda weights: {}
    orders = [np.argsort(-column, kind="stable") for column in scores.T]
    ends = [
        np.flatnonzero(np.append(np.diff(column[order]) != 0, True))
        for column, order in zip(scores.T, orders, strict=True)
    ]

    def statistics(weights: Floats) -> dict[str, Floats]:
        total, classes = np.zeros(len(weights)), np.zeros(len(weights))
        weights = weights.astype(np.float32)  # counts, exact up to 16 million images
        for column, (order, last) in enumerate(zip(orders, ends, strict=True)):
            if not present[:, column].any():
                continue
            drawn = weights[:, order]
            if known is not None:
                drawn *= known[order, column]
            seen = np.cumsum(drawn, axis=1)[:, last].astype(np.float64)
            drawn *= present[order, column]
            found = np.cumsum(drawn, axis=1)[:, last].astype(np.float64)
            steps = np.diff(found, axis=1, prepend=0.0)
            area = (steps * found / np.maximum(seen, 1.0)).sum(axis=1)
            positives = found[:, -1]
            total += area / np.maximum(positives, 1.0)
            classes += positives > 0
        return {"mAP": _ratio(total, classes)}

    return statistics


def _ratio(above: Floats, below: Floats) -> Floats:
    """NaN where nothing is below."""
    return np.asarray(np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0))
