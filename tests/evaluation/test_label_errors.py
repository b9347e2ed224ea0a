"""Labels that were changed on purpose are found, and those that were not are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.evaluation.label_errors import Suspect, SwappedClass, suspects, swapped_classes


def softmax_case(seed, margin, images=134):
    random = np.random.default_rng(seed)
    truth = random.integers(4, size=images)
    return 2 * (random.normal(size=(images, 4)) + margin * np.eye(4)[truth]), truth


def sigmoid_case(seed, margin, images=128):
    random = np.random.default_rng(seed)
    truth = (random.random((images, 4)) < 0.4).astype(np.int8)
    return 2 * (random.normal(size=(images, 4)) + margin * (truth - 0.5)), truth


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("margin", [0.5, 2.0, 4.0, 8.0])
def test_clean_labels_raise_at_most_three_false_alarms_however_good_the_model(seed, margin):
    assert len(suspects("multiclass", *softmax_case(seed, margin))) <= 3
    assert len(suspects("multilabel", *sigmoid_case(seed, 2 * margin))) <= 3
    assert swapped_classes("multiclass", *softmax_case(seed, margin)) == []
    assert swapped_classes("multilabel", *sigmoid_case(seed, 2 * margin)) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_mislabelled_image_is_the_first_suspect(seed):
    logits, truth = softmax_case(seed, margin=5.0)
    given = truth.copy()
    given[17] = (truth[17] + 1) % 4
    found = suspects("multiclass", logits, given)
    assert found[0] == Suspect(17, (given[17],), (truth[17],), found[0].score)
    assert found[0].score > 0.9


@pytest.mark.parametrize("change", ["a label too much", "a label is missing"])
def test_a_sheet_with_a_wrong_label_is_the_first_suspect(change):
    logits, truth = sigmoid_case(0, margin=8.0)
    wanted = 0 if change == "a label too much" else 1
    image = int(np.flatnonzero(truth[:, 2] == wanted)[0])
    given = truth.copy()
    given[image, 2] = 1 - wanted
    found = suspects("multilabel", logits, given)[0]
    assert found.image == image
    assert found.given == tuple(np.flatnonzero(given[image]))
    assert found.suspected == tuple(np.flatnonzero(truth[image]))


def test_unknown_labels_are_not_suspected():
    logits, truth = softmax_case(0, margin=5.0)
    truth[5] = -1
    assert all(suspect.image != 5 for suspect in suspects("multiclass", logits, truth))
    logits, truth = sigmoid_case(0, margin=8.0)
    truth[:, 1] = -1
    assert all(1 not in suspect.suspected for suspect in suspects("multilabel", logits, truth))


def test_two_classes_that_were_swapped_are_named():
    logits, truth = softmax_case(0, margin=4.0)
    given = np.array([1, 0, 2, 3])[truth]
    found = swapped_classes("multiclass", logits, given)
    assert [(row.given, row.suspected) for row in found] == [(0, 1), (1, 0)]
    assert all(row.images > 0.8 * row.of for row in found)


def test_a_class_whose_images_look_like_another_s_is_counted():
    truth, logits = np.array([0, 0, 0, 0, 1, 1, 1]), 5 * np.eye(2)[[1, 1, 1, 0, 0, 0, 0]]
    assert swapped_classes("multiclass", logits, truth) == [SwappedClass(0, 1, 3, 4), SwappedClass(1, 0, 3, 3)]


@pytest.mark.parametrize("seed", range(20))
def test_a_weak_model_that_leans_to_some_classes_accuses_no_class(seed):
    random = np.random.default_rng(seed)
    truth = random.integers(4, size=27)
    logits = random.normal(size=(27, 4)) + 0.3 * np.eye(4)[truth] + random.normal(size=4)
    assert swapped_classes("multiclass", logits, truth) == []


def test_two_images_of_a_class_may_look_like_another_by_chance():
    truth, logits = np.array([0, 0, 1, 1, 2, 2]), 5 * np.eye(3)[[1, 1, 1, 1, 2, 2]]
    assert swapped_classes("multiclass", logits, truth) == []


def test_two_columns_of_a_table_that_were_swapped_are_named():
    logits, truth = sigmoid_case(0, margin=4.0)
    found = swapped_classes("multilabel", logits, truth[:, [1, 0, 2, 3]])
    assert [(row.given, row.suspected) for row in found] == [(0, 1), (1, 0)]


def test_a_model_that_says_one_class_of_everything_accuses_nobody():
    truth = np.arange(40) % 4
    logits = np.tile([0.0, 5.0, 0.0, 0.0], (40, 1))
    assert suspects("multiclass", logits, truth) == []
    assert swapped_classes("multiclass", logits, truth) == []


def test_scores_that_are_not_finite_accuse_nobody():
    assert suspects("multiclass", np.full((3, 2), np.nan), np.array([0, 1, 1])) == []
    assert swapped_classes("multiclass", np.full((3, 2), np.nan), np.array([0, 1, 1])) == []
