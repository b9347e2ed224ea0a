"""Weights of classes from counts, worked out by hand or by scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from finetune.errors import RecipeError
from finetune.labels import LabelSpace
from finetune.model.class_weights import choose_class_weights, choose_pos_weight
from finetune.recipe.sections import Loss

FRIDGE = LabelSpace(("can", "carton", "milk"))
IDS = np.array([0] * 6 + [1] * 3 + [2])
CELLS = np.array([[1, 1, 0], [1, 0, 0], [1, -1, 0], [0, -1, 1]], dtype=np.int8)
"""Present: 3, 1, 1; absent: 1, 1, 3; known: 4, 2, 4."""


def weights(truth=IDS, labels=FRIDGE, **loss):
    return choose_class_weights(Loss(**loss), labels, truth)


def pos_weight(given, truth=CELLS, labels=FRIDGE):
    return choose_pos_weight(Loss(pos_weight=given), labels, truth)


def test_balanced_weights_are_scikit_learns():
    expected = compute_class_weight("balanced", classes=np.arange(3), y=IDS)
    assert weights(class_weights="balanced") == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["balanced", "effective_number"])
def test_the_mean_over_the_training_images_is_1(kind):
    assert np.mean(np.array(weights(class_weights=kind))[IDS]) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["balanced", "effective_number"])
def test_the_mean_over_the_known_cells_is_1(kind):
    found = np.array(weights(CELLS, class_weights=kind))
    assert (found * [4, 2, 4]).sum() / 10 == pytest.approx(1.0)


def test_balanced_weights_of_labels_go_by_present_ones():
    found = weights(CELLS, class_weights="balanced")
    assert found[1] / found[0] == pytest.approx(3.0)
    assert found[1] == pytest.approx(found[2])


def test_effective_numbers_by_hand():
    found = weights(np.array([0, 0, 1]), class_weights="effective_number", effective_number_beta=0.5)
    # raw (1 - b) / (1 - b^n): 0.5 / 0.75 = 2/3 and 1; their mean over the images is (2/3 + 2/3 + 1) / 3 = 7/9
    assert found[:2] == pytest.approx([6 / 7, 9 / 7])


def test_effective_numbers_level_off_while_balanced_weights_do_not():
    many = np.array([0] * 5000 + [1] * 1000 + [2] * 10)
    effective = weights(many, class_weights="effective_number", effective_number_beta=0.99)
    balanced = weights(many, class_weights="balanced")
    assert effective[1] / effective[0] == pytest.approx(1.0, abs=1e-3)
    assert balanced[1] / balanced[0] == pytest.approx(5.0)


def test_effective_numbers_of_a_beta_near_1_are_balanced_weights():
    near_1 = weights(class_weights="effective_number", effective_number_beta=1 - 1e-12)
    assert near_1 == pytest.approx(weights(class_weights="balanced"))


@pytest.mark.parametrize("kind", ["balanced", "effective_number"])
@pytest.mark.parametrize("truth", [IDS[IDS < 2], CELLS[:3]], ids=["multiclass", "multilabel"])
def test_a_class_without_training_images_weighs_1_and_the_mean_stays(kind, truth):
    found = np.array(weights(truth, class_weights=kind))
    assert found[2] == 1.0
    mean = found[truth].mean() if truth.ndim == 1 else (found * (truth >= 0)).sum() / (truth >= 0).sum()
    assert mean == pytest.approx(1.0)


def test_nothing_known_weighs_1():
    assert weights(np.full((2, 3), -1), class_weights="balanced") == (1.0, 1.0, 1.0)


def test_a_class_alone_weighs_1():
    assert weights(np.zeros(5, dtype=int), LabelSpace(("can",)), class_weights="balanced") == (1.0,)


def test_weights_by_name_are_taken_as_they_are_and_others_are_1():
    assert weights(None, class_weights={"milk": 3.0, "can": 0.5}) == (0.5, 1.0, 3.0)


def test_no_weights_are_none():
    assert weights() is None
    assert choose_pos_weight(Loss(), FRIDGE, CELLS) is None


def test_balanced_pos_weight_is_absent_over_present_of_the_known():
    assert pos_weight("balanced") == pytest.approx([1 / 3, 1.0, 3.0])


def test_balanced_pos_weight_is_1_where_a_label_is_always_or_never_present():
    assert pos_weight("balanced", np.array([[1, 0, -1], [1, 0, -1]])) == (1.0, 1.0, 1.0)


def test_pos_weight_as_a_number_is_for_all_classes_and_by_name_for_some():
    assert pos_weight(2.5) == (2.5, 2.5, 2.5)
    assert pos_weight({"carton": 4.0}) == (1.0, 4.0, 1.0)


@pytest.mark.parametrize("key", ["class_weights", "pos_weight"])
def test_unknown_names_are_all_named_with_the_nearest_class(key):
    choose = {"class_weights": choose_class_weights, "pos_weight": choose_pos_weight}[key]
    with pytest.raises(RecipeError) as caught:
        choose(Loss(**{key: {"cann": 2.0, "xyz": 1.0, "milk": 1.0}}), FRIDGE, CELLS)
    assert caught.value.faults == [
        f"loss.{key}.cann: not among the 3 classes of the data; did you mean 'can'?",
        f"loss.{key}.xyz: not among the 3 classes of the data",
    ]


@pytest.mark.parametrize("kind", ["balanced", "effective_number"])
def test_balancing_without_counts_is_an_error_and_never_silent(kind):
    with pytest.raises(ValueError, match=r"loss\.class_weights is balanced by the training images"):
        weights(None, class_weights=kind)


def test_balancing_presence_without_counts_is_an_error_too():
    with pytest.raises(ValueError, match=r"loss\.pos_weight is balanced by the training images"):
        pos_weight("balanced", None)


@pytest.mark.parametrize("given", [2.0, {"can": 2.0}])
def test_weights_without_classes_are_an_error(given):
    with pytest.raises(ValueError, match="give choose_task the classes"):
        pos_weight(given, None, None)
