"""Intervals against values from the literature, against plain loops, and by how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, log_loss, recall_score

from finetune.evaluation import intervals
from finetune.evaluation.intervals import bootstrap, headline_intervals, wilson
from finetune.labels import LabelSpace
from finetune.metrics import score_metrics

RANDOM = np.random.default_rng(0)
LABELS = LabelSpace(("can", "carton", "milk_bottle"))


def softmax_case(images=30):
    targets = RANDOM.integers(3, size=images)
    logits = RANDOM.normal(size=(images, 3)) + 2 * np.eye(3)[targets]
    return logits, targets


def measured(task, logits, targets, predicted):
    return headline_intervals(task, logits, targets, predicted, score_metrics(task, logits, targets, LABELS))


def test_wilsons_interval_is_the_published_one():
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3
    assert wilson(81, 263) == pytest.approx([0.2553, 0.3662], abs=5e-5)
    assert wilson(15, 148) == pytest.approx([0.0624, 0.1605], abs=5e-5)
    assert wilson(0, 20) == pytest.approx([0.0, 0.1611], abs=5e-5)
    assert wilson(1, 29) == pytest.approx([0.0061, 0.1718], abs=5e-5)


def test_shares_of_images_have_wilsons_interval():
    logits, targets = softmax_case()
    predicted = logits.argmax(axis=1)
    found = measured("multiclass", logits, targets, predicted)
    right = int((predicted == targets).sum())
    assert found["accuracy"] == wilson(right, 30) == found["f1_micro"]
    assert found["top3_accuracy"] == wilson(30, 30)


@pytest.mark.parametrize("seed", range(3))
def test_what_a_draw_of_images_scores_is_what_the_metrics_say_of_those_images(seed):
    random = np.random.default_rng(seed)
    logits, targets = softmax_case()
    picked = random.integers(30, size=30)
    weights = np.bincount(picked, minlength=30)[None].astype(float)
    found = intervals.multiclass_statistics(logits, targets, logits.argmax(axis=1))(weights)
    true, scores = targets[picked], logits[picked]
    occurring = np.unique(true)
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    odds = np.log(probabilities / (1 - probabilities))
    expected = {
        "f1_macro": f1_score(true, scores.argmax(axis=1), labels=occurring, average="macro", zero_division=0),
        "balanced_accuracy": recall_score(true, scores.argmax(axis=1), labels=occurring, average="macro"),
        "loss": log_loss(true, probabilities, labels=[0, 1, 2]),
        "mAP": np.mean([average_precision_score(true == i, odds[:, i]) for i in occurring]),
    }
    for key, value in expected.items():
        assert found[key][0] == pytest.approx(value, abs=1e-9), key


@pytest.mark.parametrize("seed", range(3))
def test_a_draw_of_images_with_several_labels_some_unknown_scores_what_the_metrics_say(seed):
    random = np.random.default_rng(seed)
    targets = random.integers(-1, 2, size=(25, 3)).astype(np.int8)
    targets[:, 0] = np.abs(targets[:, 0])  # of every image something is known
    logits = np.round(random.normal(size=(25, 3)), 1)  # with ties
    picked = random.integers(25, size=25)
    weights = np.bincount(picked, minlength=25)[None].astype(float)
    found = intervals.multilabel_statistics(logits, targets, (logits >= 0).astype(np.int8))(weights)
    expected = score_metrics("multilabel", logits[picked], targets[picked], LABELS)
    assert set(expected) & set(found) >= {"loss", "accuracy", "hamming_accuracy", "mAP", "f1_macro", "f1_micro"}
    for key in set(expected) & set(found):
        assert found[key][0] == pytest.approx(expected[key], abs=1e-9), key


def test_an_interval_holds_the_value_and_is_narrower_for_more_images():
    few, many = (softmax_case(images) for images in (40, 400))
    widths = []
    for logits, targets in (few, many):
        found = measured("multiclass", logits, targets, logits.argmax(axis=1))
        value = score_metrics("multiclass", logits, targets, LABELS)
        for key, ends in found.items():
            assert ends is not None
            assert ends[0] <= value[key] <= ends[1], key
        widths.append(found["f1_macro"][1] - found["f1_macro"][0])
    assert widths[1] < widths[0] / 2


def test_where_every_draw_scores_the_same_there_is_no_interval_but_wilsons():
    logits, targets = 9 * np.eye(3)[np.arange(27) % 3], np.arange(27) % 3
    found = measured("multiclass", logits, targets, logits.argmax(axis=1))
    assert found["accuracy"] == wilson(27, 27)
    assert found["f1_macro"] is None
    assert found["mAP"] is None


def test_a_metric_without_a_value_has_no_interval():
    found = measured("multiclass", np.full((3, 3), np.nan), np.array([0, 1, 2]), np.zeros(3, int))
    assert set(found.values()) == {None}
    assert "accuracy" in found


def test_the_same_images_have_the_same_interval_again():
    logits, targets = softmax_case()
    one, other = (measured("multiclass", logits, targets, logits.argmax(axis=1)) for _ in range(2))
    assert one == other


def test_a_bootstrapped_mean_is_the_normal_interval_of_the_mean():
    values = np.random.default_rng(1).normal(size=2000)
    low, high = bootstrap(lambda weights: {"mean": weights @ values / weights.sum(axis=1)}, 2000)["mean"]
    half = 1.96 * values.std() / np.sqrt(2000)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_four_groups_that_are_all_right_are_four_trials_and_not_sixty():
    truth = np.arange(60) % 3
    logits = 9 * np.eye(3)[truth]
    metrics = score_metrics("multiclass", logits, truth, LabelSpace.numbered(3))
    found = headline_intervals("multiclass", logits, truth, truth, metrics, np.arange(60) // 15)
    assert found["accuracy"] == pytest.approx(wilson(4, 4))
