"""Temperatures that are known beforehand are found again, and reliability is what counting by hand gives."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.evaluation import Scored, tune
from finetune.evaluation.calibration import binned, cross_fitted, fit_temperature, reliability
from finetune.evaluation.cross_fitting import folds_of
from finetune.labels import LabelSpace
from finetune.model.decision import Decision

LABELS = LabelSpace(("can", "carton", "milk_bottle"))


def drawn_from_softmax(logits, seed=0):
    """Class ids that come true as often as the logits say."""
    powers = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return (powers.cumsum(axis=1) < np.random.default_rng(seed).random(len(logits))[:, None]).sum(axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_logits_that_were_multiplied_are_divided_again(temperature):
    honest = 2 * np.random.default_rng(1).normal(size=(5000, 3))
    truth = drawn_from_softmax(honest)
    found = fit_temperature("multiclass", honest * temperature, truth)
    assert found == pytest.approx([temperature], rel=0.05)


def test_each_label_has_a_temperature_of_its_own_and_unknown_cells_have_no_part():
    random = np.random.default_rng(1)
    honest = 2 * random.normal(size=(6000, 3))
    truth = (random.random((6000, 3)) < 1 / (1 + np.exp(-honest))).astype(np.int8)
    logits = honest * [0.5, 1.0, 3.0]
    logits[:1000], truth[:1000] = 99.0, -1
    assert fit_temperature("multilabel", logits, truth) == pytest.approx([0.5, 1.0, 3.0], rel=0.1)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_few_images_that_are_all_right_do_not_make_probabilities_of_one(task):
    truth = np.arange(9) % 3
    logits = 5.0 * np.eye(3)[truth] - (2.5 if task == "multilabel" else 0.0)
    temperature = fit_temperature(task, logits, truth if task == "multiclass" else np.eye(3, dtype=int)[truth])
    assert temperature.min() > 0.3


def test_where_nothing_is_known_the_temperature_is_one():
    assert fit_temperature("multiclass", np.zeros((2, 3)), np.array([-1, -1])) == pytest.approx([1.0], abs=1e-4)
    assert fit_temperature("multilabel", np.zeros((2, 3)), np.full((2, 3), -1)) == pytest.approx([1.0] * 3, abs=1e-4)


def test_an_image_s_cross_fitted_logits_come_from_the_other_folds():
    logits = 2 * np.random.default_rng(1).normal(size=(50, 3))
    truth = drawn_from_softmax(logits)
    found, fold_of = cross_fitted("multiclass", logits, truth), folds_of(truth)
    for fold in range(5):
        others = fit_temperature("multiclass", logits[fold_of != fold], truth[fold_of != fold])
        assert found[fold_of == fold] == pytest.approx(logits[fold_of == fold] / others)


def test_expected_calibration_error_is_what_a_loop_over_the_bins_gives():
    random = np.random.default_rng(0)
    probability, true = np.append(random.random(300), [0.0, 1.0, 1 / 15]), random.random(303) < 0.5
    expected = 0.0
    for low in np.arange(15):
        inside = [i for i, p in enumerate(probability) if min(int(p * 15), 14) == low]
        if inside:
            expected += len(inside) / 303 * abs(probability[inside].mean() - true[inside].mean())
    found = binned(probability, true)
    assert found["ece"] == pytest.approx(expected)
    assert sum(row["count"] for row in found["bins"]) == 303


def test_reliability_of_a_softmax_is_of_the_class_it_chooses():
    logits = np.log([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
    found = reliability("multiclass", logits, np.array([0, 1, 1]), LABELS.names)
    assert found["ece"] == pytest.approx(2 / 3 * abs(0.7 - 0.5) + 1 / 3 * abs(0.8 - 1.0))
    assert [(row["count"], round(row["probability"], 6)) for row in found["bins"]] == [(2, 0.7), (1, 0.8)]


def test_reliability_of_sigmoids_is_of_every_known_cell_and_each_class():
    logits, truth = np.array([[2.0, 0.0, 0.0], [2.0, -2.0, 0.0]]), np.array([[1, 1, -1], [1, 0, -1]])
    found = reliability("multilabel", logits, truth, LABELS.names)
    assert sum(row["count"] for row in found["bins"]) == 4
    assert found["per_class"]["can"]["ece"] == pytest.approx(1 - 1 / (1 + np.exp(-2.0)))
    assert found["per_class"]["milk_bottle"] == {"ece": None, "bins": []}


def test_calibration_lowers_the_error_and_the_report_says_so_for_other_folds_too():
    honest = 2 * np.random.default_rng(1).normal(size=(600, 3))
    truth = drawn_from_softmax(honest)
    scored = Scored("validation", "multiclass", LABELS, [""] * 600, honest * 4, truth)
    tuned = tune(scored, Decision(), thresholds=False, calibrate=True)
    report = tuned.report["calibration"]
    assert tuned.decision.temperature == (report["temperature"],) == pytest.approx((4.0,), rel=0.1)
    assert report["untuned"] > 3 * max(report["fitted"], report["cross_fitted"])


@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_tuning_one_thing_after_the_other_is_tuning_both_at_once(task):
    random = np.random.default_rng(0)
    truth = random.integers(2, size=(80, 3)) if task == "multilabel" else random.integers(3, size=80)
    scored = Scored("validation", task, LABELS, [""] * 80, 3 * random.normal(size=(80, 3)) + 2, truth)
    both = tune(scored, Decision(), thresholds=True, calibrate=True)
    for first in (True, False):
        before = tune(scored, Decision(), thresholds=first, calibrate=not first).decision
        after = tune(scored, before, thresholds=not first, calibrate=first)
        assert after.decision == both.decision
        assert after.report == both.report
