"""Thresholds: the best one by trying all, what is kept at 0.5, and that a gain is real."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from finetune.data import load_splits, targets
from finetune.data.decoded import DecodedImages
from finetune.evaluation import Scored, tune
from finetune.evaluation.cross_fitting import folds_of
from finetune.evaluation.thresholds import (
    best_abstention,
    best_threshold,
    cross_fitted_thresholds,
    tune_abstention,
    tune_thresholds,
)
from finetune.labels import LabelSpace
from finetune.metrics import score_metrics
from finetune.model.decision import Decision
from finetune.recipe import load_recipe

LABELS = LabelSpace(("can", "carton"))


def shy(images=200, seed=0):
    """A model whose logits are too low: -1 decides better than 0."""
    random = np.random.default_rng(seed)
    truth = (random.random((images, 2)) < 0.4).astype(np.int8)
    return random.normal(size=(images, 2)) * 0.7 + 2 * truth - 2, truth


@pytest.mark.parametrize("seed", range(20))
def test_no_threshold_has_a_higher_f1_than_the_best(seed):
    random = np.random.default_rng(seed)
    logits, present = np.round(random.normal(size=12), 1), random.random(12) < 0.5
    present[0] = True
    tries = np.append(logits, [0.0, logits.max() + 1])
    highest = max(f1_score(present, logits >= at, zero_division=0) for at in tries)
    assert f1_score(present, logits >= best_threshold(logits, present), zero_division=0) == pytest.approx(highest)


@pytest.mark.parametrize("seed", range(20))
def test_no_abstention_gains_more_than_the_best(seed):
    random = np.random.default_rng(seed)
    confidence, right = np.round(random.random(12), 1), random.random(12) < 0.6

    def gain(at):
        return np.where(confidence >= at, np.where(right, 1, -1), 0).sum()

    assert gain(best_abstention(confidence, right)) == max(gain(at) for at in (*confidence, 0.0, 1.1) if at <= 1.0)


def test_folds_hold_every_class_alike_and_keep_together_what_belongs_together():
    truth = np.repeat([0, 1], [40, 10])
    together = np.arange(50) // 2
    fold_of = folds_of(truth, together)
    assert [np.bincount(truth[fold_of == fold]).tolist() for fold in range(5)] == [[8, 2]] * 5
    assert (fold_of[0::2] == fold_of[1::2]).all()


def test_a_class_that_is_always_or_never_there_keeps_one_half():
    logits = np.random.default_rng(0).normal(size=(30, 2))
    truth = np.stack([np.ones(30), np.zeros(30)], axis=1).astype(np.int8)
    assert tune_thresholds(logits, truth).tolist() == [0.5, 0.5]


def test_scores_that_say_nothing_keep_one_half_where_chance_gains_nothing():
    truth = (np.random.default_rng(0).random((60, 2)) < 0.9).astype(np.int8)  # predicting always is best
    logits = np.full((60, 2), 0.1)
    assert tune_thresholds(logits, truth).tolist() == [0.5, 0.5]


def test_unknown_cells_change_nothing():
    logits, truth = shy()
    more_logits, more_truth = np.vstack([logits, logits * 7]), np.vstack([truth, np.full_like(truth, -1)])
    plain = tune_thresholds(logits, truth)
    assert plain.min() > 0.1
    assert plain.max() < 0.45
    folds = folds_of(truth)
    found = tune_thresholds(more_logits, more_truth)
    assert len(folds) == 200
    assert found == pytest.approx(plain, abs=0.1)  # other folds, the same known cells


def test_cross_fitted_thresholds_of_an_image_do_not_depend_on_the_labels_of_its_fold():
    logits, truth = shy(60)
    together = np.arange(60) // 12 * 12  # five groups, a fold each
    changed = truth.copy()
    changed[:12] = 1 - changed[:12]
    one, other = (cross_fitted_thresholds(logits, labels, together) for labels in (truth, changed))
    assert (one[:12] == other[:12]).all()
    assert (one[12:] != other[12:]).any()


def test_what_tuning_gained_is_less_when_cross_fitted_than_as_fitted_and_nothing_on_noise():
    fitted, apart = [], []
    for seed in range(5):
        random = np.random.default_rng(seed)
        truth = (random.random((40, 2)) < 0.3).astype(np.int8)
        scored = Scored("validation", "multilabel", LABELS, [""] * 40, random.normal(size=(40, 2)), truth)
        report = tune(scored, Decision(), thresholds=True, calibrate=False).report["thresholds"]
        fitted.append(report["fitted"] - report["untuned"])
        apart.append(report["cross_fitted"] - report["untuned"])
    assert np.mean(fitted) > np.mean(apart)
    assert np.mean(fitted) > 0


def test_a_report_s_numbers_are_those_of_the_metrics():
    logits, truth = shy()
    scored = Scored("validation", "multilabel", LABELS, [""] * 200, logits, truth)
    tuned = tune(scored, Decision(), thresholds=True, calibrate=False)
    report = tuned.report["thresholds"]
    ways = {"untuned": 0.5, "fitted": np.array(tuned.decision.thresholds), "cross_fitted": tuned.thresholds}
    for way, threshold in ways.items():
        expected = score_metrics("multilabel", logits, truth, LABELS, threshold=threshold)
        assert report[way] == pytest.approx(expected["f1_macro"])
        for name in LABELS.names:
            assert report["per_class"][name][way] == pytest.approx(expected["per_class"][name]["f1"])
    assert report["untuned"] + 0.1 < report["cross_fitted"] <= report["fitted"] + 1e-9


def test_a_model_abstains_where_it_is_wrong_more_often_than_right():
    random = np.random.default_rng(0)
    confidence = random.random(400)
    right = random.random(400) < confidence
    assert tune_abstention(confidence, right) == pytest.approx(0.5, abs=0.1)
    assert tune_abstention(confidence, np.ones(400, dtype=bool)) == 0.0


def test_tuned_thresholds_raise_macro_f1_of_digit_sheets_that_had_no_part_in_it():
    data = {"kind": "csv", "root": "bundled:digits-multilabel", "split": {"validation": 0.3, "test": 0.3, "seed": 0}}
    splits = load_splits(load_recipe({"task": "multilabel", "data": data}))
    truth = {name: targets(split) for name, split in splits.datasets.items()}
    pixels = {name: small_pixels(DecodedImages(split, "auto")) for name, split in splits.datasets.items()}
    fits = [LogisticRegression(max_iter=300).fit(pixels["train"], column) for column in truth["train"].T]
    logits = {name: np.stack([fit.decision_function(rows) for fit in fits], axis=1) for name, rows in pixels.items()}
    thresholds = tune_thresholds(logits["validation"], truth["validation"])
    scores = [
        score_metrics("multilabel", logits["test"], truth["test"], splits.labels, threshold=threshold)["f1_macro"]
        for threshold in (0.5, thresholds)
    ]
    assert scores[1] > scores[0] + 0.02


def small_pixels(images: DecodedImages) -> np.ndarray:
    small = (images[i].convert("L").resize((16, 16)) for i in range(len(images)))
    return np.stack([np.asarray(image, dtype=float).ravel() / 255 for image in small])
