"""A linear head by logistic regression, its regularisation chosen by cross-validation."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from threadpoolctl import threadpool_limits

from finetune.data.stratify import Unit, stratify_evenly
from finetune.errors import TrainingError
from finetune.model.head import ONE_CLASS_BIAS

WEAKEST = 4  # strengths of C, the inverse of regularisation, lie from 10^-4 to 10^4
ROUGHLY, CLOSELY = 1e-4, 1e-6  # largest gradient at which the solver stops: while C is chosen, and in the end
MOST_ITERATIONS = 5000
PATIENCE = 2
WORTH_THREADS = 10**8  # images x width x classes; below, threads that wait for one another cost far more than they give
_ROWS = 65_536  # features that are read from the disk at a time

Weighting = str | dict[int, float] | None
"""balanced, a weight for each value of a target, or none."""


@dataclass(frozen=True)
class Search:
    """How the strength of regularisation is chosen.

    Args:
        folds: Parts of the images of which each is held out once; images that must not be parted stay in one.
        strengths: How many values of C are tried.
        seed: Of who is in which fold.
    """

    folds: int
    strengths: int
    seed: int

    def values(self) -> np.ndarray:
        """Values of C, the strongest regularisation first.

        >>> Search(5, 3, 0).values().tolist(), Search(5, 1, 0).values().tolist()
        ([0.0001, 1.0, 10000.0], [1.0])
        """
        return np.ones(1) if self.strengths == 1 else np.logspace(-WEAKEST, WEAKEST, self.strengths)


@dataclass(frozen=True)
class LinearHead:
    """An ordinary linear layer, and how it was found.

    Args:
        weight: (classes, width) float32, for features as they are.
        bias: (classes,) float32.
        strength: The C that was chosen.
        log_losses: Mean loss of what was held out, by C, as far as it was tried; empty where there was no choice.
        converged: Whether the solver came to its end.
    """

    weight: np.ndarray
    bias: np.ndarray
    strength: float
    log_losses: dict[float, float]
    converged: bool


@dataclass(frozen=True)
class _Problem:
    """One logistic regression: which rows, their classes 0 … k - 1, what each row counts, and which are inseparable."""

    rows: np.ndarray | slice
    classes: np.ndarray
    weights: np.ndarray
    together: np.ndarray


def fit_head(
    features: np.ndarray,
    targets: np.ndarray,
    classes: int,
    search: Search,
    weightings: Sequence[Weighting],
    with_bias: bool = True,
    together: np.ndarray | None = None,
) -> LinearHead:
    """Fit a head to features: multinomial (multiclass), or one logistic regression per class (multilabel).

    Features are standardised for the fit, so that one strength suits all of them, and the scaling is folded into the
    layer. One C is chosen for all classes, by the log loss of what is held out; of equal ones the smaller. Where no
    class has two images that may be parted nothing can be held out, and C is 1.

    A class that the images say nothing of has weight 0 and the smoothed log odds of `constant_bias`: multiclass, one
    without an image; multilabel, one that is known to be present everywhere, absent everywhere, or nowhere known.

    Args:
        features: (images, width) floating point; may be memory-mapped. They are copied once, as float64.
        targets: multiclass: (images,) class ids; multilabel: (images, classes), 1 present, 0 absent, -1 unknown: a
            class is fitted on the rows where it is known.
        classes: How many there are, whether they occur or not.
        weightings: multiclass: one, for the classes; multilabel: one for each class, of 0 (absent) and 1 (present).
        with_bias: Whether the layer has one.
        together: (images,) images of one number stay in one fold, because what is learnt of one tells of the others;
            None parts all.
    Raises:
        TrainingError: a feature is not finite.
    """
    if targets.ndim == 1 and classes == 1:  # softmax over one class, see head.name_task
        zeros = np.zeros((1, features.shape[1]), dtype=np.float32)
        return LinearHead(zeros, np.full(1, ONE_CLASS_BIAS, dtype=np.float32), 1.0, {}, True)
    scaler = _scaler(features, centred=with_bias)
    x = _standardised(features, scaler)
    numbers = np.arange(len(features)) if together is None else together
    with threadpool_limits(1 if x.size * classes < WORTH_THREADS else None):
        return _fitted(x, scaler, targets, classes, search, weightings, with_bias, numbers)


def _fitted(
    x: np.ndarray,
    scaler: StandardScaler,
    targets: np.ndarray,
    classes: int,
    search: Search,
    weightings: Sequence[Weighting],
    with_bias: bool,
    together: np.ndarray,
) -> LinearHead:
    """`fit_head` on standardised features."""
    problems = list(_problems(targets, weightings, together))
    log_losses = _cross_validated([problem for _, problem in problems], x, search, with_bias)
    strength = min(log_losses, key=lambda c: (log_losses[c], c)) if log_losses else 1.0
    weight, bias = np.zeros((classes, x.shape[1])), constant_biases(targets, classes)
    converged = True
    for places, problem in problems:
        model = _solver(with_bias, CLOSELY).set_params(C=strength)
        _fit(model, x[problem.rows], problem.classes, problem.weights)
        weight[places], bias[places] = _rows_of(model, len(places))
        converged &= bool(model.n_iter_.max() < MOST_ITERATIONS)
    weight /= scaler.scale_
    if with_bias:
        bias -= weight @ scaler.mean_
    return LinearHead(weight.astype(np.float32), bias.astype(np.float32), strength, log_losses, converged)


def constant_biases(targets: np.ndarray, classes: int) -> np.ndarray:
    """(classes,) `constant_bias` of every class, by how often it is known to be present and absent."""
    if targets.ndim == 1:
        present = np.bincount(targets, minlength=classes)
        return np.array([0.0 if count else constant_bias(0, len(targets)) for count in present])
    return np.array([constant_bias(int((row == 1).sum()), int((row == 0).sum())) for row in targets.T])


def constant_bias(present: int, absent: int) -> float:
    """Log odds, smoothed: half an image more where it is present, one more where it is absent.

    >>> round(constant_bias(0, 9), 2), round(constant_bias(9, 0), 2), round(constant_bias(0, 0), 2)
    (-3.0, 2.25, -0.69)
    """
    return math.log((present + 0.5) / (absent + 1.0))


def deal_folds(classes: np.ndarray, folds: int, seed: int, together: np.ndarray | None = None) -> np.ndarray:
    """Which fold holds each image out: the images of a class are dealt in turn, so that all folds get their share.

    A class with fewer images than folds is held out in as many as it has images; the only image of a class never is
    (-1), so that every fold can learn every class. Of images that stay together the same holds of all as one.

    Args:
        classes: (images,) class ids.
        together: (images,) images of one number are dealt as one; None deals all by themselves.

    >>> deal_folds(np.array([0, 0, 0, 1, 1, 2]), 2, seed=0).tolist()
    [1, 0, 0, 1, 0, -1]
    >>> deal_folds(np.array([0, 0, 0, 0, 1, 1]), 2, seed=0, together=np.array([4, 4, 7, 7, 2, 2])).tolist()
    [0, 0, 1, 1, -1, -1]
    """
    shuffled = np.random.default_rng(seed).permutation(len(classes))
    if together is not None and len(np.unique(together)) < len(together):
        return _deal_together(classes, folds, together, shuffled)
    fold_of = np.full(len(classes), -1)
    dealt = 0
    for name in np.unique(classes):
        members = shuffled[classes[shuffled] == name]
        if len(members) > 1:
            fold_of[members] = (dealt + np.arange(len(members))) % folds
            dealt += len(members)
    return fold_of


def _deal_together(classes: np.ndarray, folds: int, together: np.ndarray, shuffled: np.ndarray) -> np.ndarray:
    """`deal_folds` of what stays together, cut as crossval cuts; ties are broken by the shuffled order.

    Where a fold has all images of a class, one of its units is never held out instead.
    """
    ids, unit_of = np.unique(classes, return_inverse=True)[1], np.unique(together, return_inverse=True)[1]
    pairs, counts = np.unique(np.stack([unit_of, ids]), axis=1, return_counts=True)
    order = np.zeros(unit_of.max() + 1, dtype=np.int64)
    order[unit_of[shuffled]] = np.arange(len(shuffled))
    labels: list[list[tuple[int, int]]] = [[] for _ in order]
    for unit, label, count in zip(*pairs.tolist(), counts.tolist(), strict=True):
        labels[unit].append((label, count))
    sizes = np.bincount(unit_of).tolist()
    units = [Unit(at, size, tuple(said)) for at, size, said in zip(order.tolist(), sizes, labels, strict=True)]
    classes_there = int(ids.max()) + 1
    fold_of = np.array(stratify_evenly(units, folds, classes_there))
    for label in range(classes_there):
        members = pairs[0][pairs[1] == label]
        if len(np.unique(fold_of[members])) == 1:
            fold_of[members[0]] = -1
    return fold_of[unit_of]


# ---------------------------------------------------------------- features


def _scaler(features: np.ndarray, centred: bool) -> StandardScaler:
    scaler = StandardScaler(with_mean=centred)
    for start in range(0, len(features), _ROWS):
        block = np.asarray(features[start : start + _ROWS], dtype=np.float64)
        if not np.isfinite(block).all():
            raise TrainingError(
                f"features of images {start} to {start + len(block) - 1} are not finite; set run.precision: fp32, or "
                "choose another checkpoint"
            )
        scaler.partial_fit(block)
    return scaler


def _standardised(features: np.ndarray, scaler: StandardScaler) -> np.ndarray:
    x = np.empty(features.shape)
    for start in range(0, len(features), _ROWS):
        x[start : start + _ROWS] = scaler.transform(np.asarray(features[start : start + _ROWS], dtype=np.float64))
    return x


# ---------------------------------------------------------------- regressions


def _problems(
    targets: np.ndarray, weightings: Sequence[Weighting], together: np.ndarray
) -> Iterator[tuple[np.ndarray, _Problem]]:
    """(rows of the head, the regression that fills them), for all that there is something to learn of."""
    if targets.ndim == 1:
        there, ids = np.unique(targets, return_inverse=True)
        if len(there) > 1:
            yield there, _Problem(slice(None), ids, _weights(weightings[0], targets), together)
        return
    for place, column in enumerate(targets.T):
        known = np.flatnonzero(column >= 0)
        truth = column[known].astype(np.int64)
        if 0 < truth.sum() < len(truth):
            rows = slice(None) if len(known) == len(column) else known  # a slice copies nothing
            yield np.array([place]), _Problem(rows, truth, _weights(weightings[place], truth), together[rows])


def _weights(weighting: Weighting, truth: np.ndarray) -> np.ndarray:
    return np.asarray(compute_sample_weight(weighting, truth), dtype=np.float64)


def _cross_validated(
    problems: Sequence[_Problem], x: np.ndarray, search: Search, with_bias: bool
) -> dict[float, float]:
    """Mean log loss of what is held out, over all folds and regressions, by C.

    From the strongest regularisation on, until the loss has risen PATIENCE times in a row: what is weaker still takes
    the solver longest, and only learns its rows by heart. Each fit begins where the one before it ended.
    """
    trials = [trial for problem in problems for trial in _trials(problem, search, with_bias)]
    count = sum(float(trial.problem.weights[trial.held_out].sum()) for trial in trials)
    losses: dict[float, float] = {}
    for c in search.values() if count and search.strengths > 1 else ():
        losses[float(c)] = sum(trial.held_out_loss(x, float(c)) for trial in trials) / count
        latest = list(losses.values())[-PATIENCE - 1 :]
        if len(latest) > PATIENCE and all(before < after for before, after in itertools.pairwise(latest)):
            break
    return losses


def _trials(problem: _Problem, search: Search, with_bias: bool) -> Iterator[_Trial]:
    fold_of = deal_folds(problem.classes, search.folds, search.seed, problem.together)
    for fold in np.unique(fold_of[fold_of >= 0]):
        yield _Trial(problem, fold_of == fold, _solver(with_bias, ROUGHLY).set_params(warm_start=True))


@dataclass(frozen=True)
class _Trial:
    """A regression that is fitted without some of its rows and measured on these."""

    problem: _Problem
    held_out: np.ndarray
    model: LogisticRegression

    def held_out_loss(self, x: np.ndarray, c: float) -> float:
        """Log loss of the held-out rows, summed.

        While the others are learnt they stay in place and weigh nothing: the optimum is the same, nothing is copied.
        """
        rows, problem = x[self.problem.rows], self.problem
        _fit(self.model.set_params(C=c), rows, problem.classes, np.where(self.held_out, 0.0, problem.weights))
        chosen = np.flatnonzero(self.held_out)
        return _log_loss(self.model, rows[chosen], problem.classes[chosen], problem.weights[chosen])


def _log_loss(model: LogisticRegression, x: np.ndarray, classes: np.ndarray, weights: np.ndarray) -> float:
    logits = model.decision_function(x)
    if logits.ndim == 1:
        logits = np.stack([np.zeros_like(logits), logits], axis=1)
    right = logits[np.arange(len(classes)), classes]
    return float(((np.logaddexp.reduce(logits, axis=1) - right) * weights).sum())


def _solver(with_bias: bool, tolerance: float) -> LogisticRegression:
    return LogisticRegression(fit_intercept=with_bias, tol=tolerance, max_iter=MOST_ITERATIONS)


def _fit(model: LogisticRegression, x: np.ndarray, classes: np.ndarray, weights: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the record says whether the last fit converged
        model.fit(x, classes, sample_weight=weights)


def _rows_of(model: LogisticRegression, places: int) -> tuple[Any, Any]:
    """Weights and biases; between two classes of a softmax, half of each side's lead."""
    if places == 2 and len(model.coef_) == 1:
        sides = np.array([[-0.5], [0.5]])
        return sides * model.coef_, (sides * model.intercept_)[:, 0]
    return model.coef_, model.intercept_ if model.fit_intercept else 0.0
