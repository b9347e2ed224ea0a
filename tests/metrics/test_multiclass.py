"""Multi-class metrics against values worked out by hand and against scikit-learn on the images themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics as sk

from finetune.metrics.multiclass import multiclass_metrics

NAMES = ("can", "carton", "milk_bottle")
#                     true  can   carton milk_bottle
PROBABILITIES = {  #        predicted
    "can": (0, (0.70, 0.20, 0.10)),
    "can, taken for carton": (0, (0.20, 0.70, 0.10)),
    "carton": (1, (0.10, 0.80, 0.10)),
    "milk, taken for carton": (2, (0.10, 0.60, 0.30)),
    "milk": (2, (0.25, 0.05, 0.70)),
}
TARGETS = np.array([true for true, _ in PROBABILITIES.values()])
LOGITS = np.log([row for _, row in PROBABILITIES.values()])

BY_HAND = {
    "loss": -sum(map(math.log, (0.7, 0.2, 0.8, 0.3, 0.7))) / 5,
    "log_loss": -sum(map(math.log, (0.7, 0.2, 0.8, 0.3, 0.7))) / 5,
    "accuracy": 3 / 5,
    "top2_accuracy": 1.0,
    "balanced_accuracy": 2 / 3,
    "precision_macro": (1 + 1 / 3 + 1) / 3,
    "precision_micro": 3 / 5,
    "precision_weighted": (2 * 1 + 1 / 3 + 2 * 1) / 5,
    "recall_macro": (1 / 2 + 1 + 1 / 2) / 3,
    "recall_micro": 3 / 5,
    "recall_weighted": 3 / 5,
    "f1_macro": (2 / 3 + 1 / 2 + 2 / 3) / 3,
    "f1_micro": 3 / 5,
    "f1_weighted": (2 * 2 / 3 + 1 / 2 + 2 * 2 / 3) / 5,
    "mAP": (5 / 6 + 1 + 1) / 3,
    "mAP_weighted": (2 * 5 / 6 + 1 + 2) / 5,
    "auroc_macro": (5 / 6 + 1 + 1) / 3,
    "auroc_weighted": (2 * 5 / 6 + 1 + 2) / 5,
    "mcc": 8 / math.sqrt(14 * 16),  # (3 * 5 - 7) / sqrt((5² - 11) * (5² - 9))
}


@pytest.mark.parametrize("key", BY_HAND)
def test_five_images_have_the_value_worked_out_by_hand(key):
    assert multiclass_metrics(LOGITS, TARGETS, NAMES, top_k=2)[key] == pytest.approx(BY_HAND[key], abs=1e-12)


def test_five_images_have_these_rows_per_class_and_this_confusion_matrix():
    found = multiclass_metrics(LOGITS, TARGETS, NAMES)
    assert found["confusion_matrix"] == [[1, 1, 0], [0, 1, 0], [0, 1, 1]]
    can = found["per_class"]["can"]
    assert can == pytest.approx(
        {
            "support": 2,
            "predicted": 1,
            "precision": 1.0,
            "recall": 1 / 2,
            "f1": 2 / 3,
            "average_precision": 5 / 6,  # ranks 1 and 3: (1/1 + 2/3) / 2
            "auroc": 5 / 6,
        }
    )
    assert found["per_class"]["carton"]["precision"] == pytest.approx(1 / 3)


def drawn(images=60, classes=5, occurring=5, seed=0):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, occurring, images)
    logits = rng.normal(size=(images, classes)).astype(np.float32)
    logits[np.arange(images), targets] += 1.0
    return logits, targets


@pytest.mark.parametrize("occurring", [5, 3], ids=["all classes occur", "two classes have no positives"])
@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_means_over_classes_are_those_of_scikit_learn_told_the_classes_that_occur(occurring, average):
    logits, targets = drawn(occurring=occurring)
    predicted = logits.argmax(axis=1)
    assert set(predicted) == set(range(5))  # absent classes are predicted, too
    found = multiclass_metrics(logits, targets, "abcde")
    expected = sk.precision_recall_fscore_support(
        targets, predicted, labels=range(occurring), average=average, zero_division=0.0
    )
    assert [found[f"{key}_{average}"] for key in ("precision", "recall", "f1")] == pytest.approx(expected[:3])


def test_all_else_is_what_scikit_learn_computes_from_the_images():
    logits, targets = drawn()
    predicted = logits.argmax(axis=1)
    p = np.exp(logits.astype(np.float64))
    p /= p.sum(axis=1, keepdims=True)
    found = multiclass_metrics(logits, targets, "abcde", top_k=3)
    one_hot = np.eye(5, dtype=int)[targets]
    assert {key: found[key] for key in ("images", "images_not_finite")} == {"images": 60, "images_not_finite": 0}
    expected = {
        "loss": sk.log_loss(targets, p),
        "log_loss": sk.log_loss(targets, p),
        "accuracy": sk.accuracy_score(targets, predicted),
        "top3_accuracy": sk.top_k_accuracy_score(targets, p, k=3),
        "balanced_accuracy": sk.balanced_accuracy_score(targets, predicted),
        "f1_micro": sk.f1_score(targets, predicted, average="micro"),
        "mAP": sk.average_precision_score(one_hot, p, average="macro"),
        "mAP_weighted": sk.average_precision_score(one_hot, p, average="weighted"),
        "auroc_macro": sk.roc_auc_score(targets, p, multi_class="ovr", average="macro"),
        "auroc_weighted": sk.roc_auc_score(targets, p, multi_class="ovr", average="weighted"),
        "mcc": sk.matthews_corrcoef(targets, predicted),
    }
    assert {key: found[key] for key in expected} == pytest.approx(expected, abs=1e-12)
    assert found["confusion_matrix"] == sk.confusion_matrix(targets, predicted).tolist()


def test_neither_the_order_of_images_nor_a_constant_added_to_an_image_s_logits_counts():
    logits, targets = drawn(images=20)
    order = np.random.default_rng(1).permutation(20)
    shifted = logits[order].astype(np.float64) + np.arange(20)[:, None]
    before, after = multiclass_metrics(logits, targets, "abcde"), multiclass_metrics(shifted, targets[order], "abcde")
    assert after.pop("per_class")["a"] == pytest.approx(before.pop("per_class")["a"])
    assert after.pop("confusion_matrix") == before.pop("confusion_matrix")
    assert after == pytest.approx(before)


def test_an_image_whose_class_nobody_knows_is_left_out():
    logits, targets = drawn(images=20)
    more = np.vstack([logits, np.full((2, 5), np.nan)])  # not even its logits are looked at
    assert multiclass_metrics(more, np.append(targets, [-1, -1]), "abcde") == multiclass_metrics(
        logits, targets, "abcde"
    )


@pytest.mark.parametrize(("top_k", "key"), [(1, "top1_accuracy"), (2, "top2_accuracy"), (5, "top3_accuracy")])
def test_the_key_of_top_k_accuracy_carries_the_k_that_was_used(top_k, key):
    found = multiclass_metrics(LOGITS, TARGETS, NAMES, top_k=top_k)
    assert [name for name in found if name.startswith("top")] == [key]


def test_of_equal_logits_the_lower_class_id_goes_first_in_top_k_as_in_accuracy():
    flat = np.zeros((3, 3))
    found = [multiclass_metrics(flat, np.array([0, 1, 2]), NAMES, top_k=k) for k in (1, 2, 3)]
    assert [found[k - 1][f"top{k}_accuracy"] for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])
    assert found[0]["accuracy"] == found[0]["top1_accuracy"]


def test_one_hopeless_image_adds_its_whole_loss_but_a_clipped_log_loss():
    found = multiclass_metrics(np.array([[1000.0, 0.0], [0.0, 0.0]]), np.array([1, 1]), ("can", "carton"))
    assert found["loss"] == pytest.approx((1000 + math.log(2)) / 2)
    assert found["log_loss"] == pytest.approx(sk.log_loss([1, 1], [[1.0, 0.0], [0.5, 0.5]], labels=[0, 1]))


def test_images_whose_float32_probability_is_1_are_still_ranked():
    logits = np.array([[60.0, 0.0], [50.0, 0.0], [40.0, 0.0]], dtype=np.float32)
    found = multiclass_metrics(logits, np.array([0, 0, 1]), ("can", "carton"))
    assert found["mAP"] == 1.0
    assert found["auroc_macro"] == 1.0
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert sk.roc_auc_score([1, 1, 0], p[:, 0]) == 0.5  # what the probabilities would have given
