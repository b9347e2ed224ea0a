"""Multi-label metrics against values worked out by hand and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics as sk

from finetune.metrics.multilabel import multilabel_metrics

NAMES = ("can", "carton", "milk_bottle")
LOGITS = np.array(
    [
        [2.0, -1.0, -3.0],  # can; the milk bottle is missed
        [1.0, 3.0, -2.0],  # can and carton, both found
        [-1.0, -2.0, -1.0],  # nothing there, nothing found
        [3.0, -4.0, -4.0],  # a can seen, where a carton is
    ]
)
TARGETS = np.array([[1, 0, 1], [1, 1, 0], [0, 0, 0], [0, 1, 0]])


def bce(logit, target):
    p = 1 / (1 + math.exp(-logit))
    return -math.log(p if target else 1 - p)


#        TP FP FN: can 2 1 0, carton 1 0 1, milk_bottle 0 0 1, all 3 1 2
BY_HAND = {
    "loss": sum(bce(z, t) for z, t in zip(LOGITS.flat, TARGETS.flat, strict=True)) / 12,
    "accuracy": 2 / 4,
    "hamming_accuracy": 9 / 12,
    "precision_macro": (2 / 3 + 1 + 0) / 3,
    "precision_micro": 3 / 4,
    "precision_weighted": (2 * 2 / 3 + 2 * 1 + 0) / 5,
    "precision_samples": (1 + 1 + 1 + 0) / 4,
    "recall_macro": (1 + 1 / 2 + 0) / 3,
    "recall_micro": 3 / 5,
    "recall_weighted": 3 / 5,
    "recall_samples": (1 / 2 + 1 + 1 + 0) / 4,
    "f1_macro": (4 / 5 + 2 / 3 + 0) / 3,
    "f1_micro": 6 / 9,
    "f1_weighted": (2 * 4 / 5 + 2 * 2 / 3 + 0) / 5,
    "f1_samples": (2 / 3 + 1 + 1 + 0) / 4,
    "iou_macro": (2 / 3 + 1 / 2 + 0) / 3,
    "iou_micro": 3 / 6,
    "iou_weighted": (2 * 2 / 3 + 2 * 1 / 2 + 0) / 5,
    "iou_samples": (1 / 2 + 1 + 1 + 0) / 4,
    "mAP": (7 / 12 + 3 / 4 + 1 / 3) / 3,  # ranks of the positives: 2 3; 1 4; 3
    "mAP_micro": (1 / 2 + 2 / 3 + 3 / 4 + 4 / 10 + 5 / 12) / 5,  # 3.0 and -4.0 are ties of two
    "mAP_weighted": (2 * 7 / 12 + 2 * 3 / 4 + 1 / 3) / 5,
    "auroc_macro": (2 / 4 + 2 / 4 + 1 / 3) / 3,
    "auroc_micro": (6.5 + 6 + 6 + 1 + 0.5) / 35,
    "auroc_weighted": (2 * 2 / 4 + 2 * 2 / 4 + 1 / 3) / 5,
}


@pytest.mark.parametrize("key", BY_HAND)
def test_four_images_have_the_value_worked_out_by_hand(key):
    assert multilabel_metrics(LOGITS, TARGETS, NAMES)[key] == pytest.approx(BY_HAND[key], abs=1e-12)


def test_four_images_have_these_rows_per_class():
    found = multilabel_metrics(LOGITS, TARGETS, NAMES)["per_class"]
    assert found["can"] == pytest.approx(
        {
            "known": 4,
            "support": 2,
            "predicted": 3,
            "precision": 2 / 3,
            "recall": 1.0,
            "f1": 4 / 5,
            "iou": 2 / 3,
            "average_precision": 7 / 12,
            "auroc": 1 / 2,
        }
    )
    assert found["milk_bottle"]["precision"] == 0.0  # it occurs and is never predicted
    assert found["milk_bottle"]["predicted"] == 0


def drawn(images=50, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    targets = (rng.random((images, classes)) < 0.4).astype(int)
    return rng.normal(size=(images, classes)).astype(np.float32) + targets, targets


def test_all_is_what_scikit_learn_computes():
    logits, targets = drawn()
    decided = (logits >= 0).astype(int)
    some = (targets.any(axis=1)) | (decided.any(axis=1))  # scikit-learn has no value for an image without either
    logits, targets, decided = logits[some], targets[some], decided[some]
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    found = multilabel_metrics(logits, targets, "abcd")
    expected = {
        "loss": np.mean([sk.log_loss(targets[:, c], p[:, c]) for c in range(4)]),
        "accuracy": sk.accuracy_score(targets, decided),
        "hamming_accuracy": 1 - sk.hamming_loss(targets, decided),
        "mAP": sk.average_precision_score(targets, p, average="macro"),
        "mAP_micro": sk.average_precision_score(targets, p, average="micro"),
        "mAP_weighted": sk.average_precision_score(targets, p, average="weighted"),
        "auroc_macro": sk.roc_auc_score(targets, p, average="macro"),
        "auroc_micro": sk.roc_auc_score(targets, p, average="micro"),
        "auroc_weighted": sk.roc_auc_score(targets, p, average="weighted"),
    }
    for average in ("macro", "micro", "weighted", "samples"):
        given = {"average": average, "zero_division": 0.0}
        expected[f"precision_{average}"] = sk.precision_score(targets, decided, **given)
        expected[f"recall_{average}"] = sk.recall_score(targets, decided, **given)
        expected[f"f1_{average}"] = sk.f1_score(targets, decided, **given)
        expected[f"iou_{average}"] = sk.jaccard_score(targets, decided, **given)
    assert set(expected) == set(BY_HAND)
    assert {key: found[key] for key in expected} == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("threshold", "predicted"), [(0.0, 4), (0.5, 2), (0.50001, 1), (0.9, 1), (1.0, 0)])
def test_a_label_is_predicted_from_the_threshold_on(threshold, predicted):
    logits = np.array([[-5.0], [-1.0], [0.0], [3.0]])  # a logit of 0 is a probability of exactly 0.5
    found = multilabel_metrics(logits, np.array([[1], [0], [0], [0]]), ("can",), threshold)
    assert found["per_class"]["can"]["predicted"] == predicted


def test_a_class_is_measured_over_the_images_where_it_is_known():
    logits, targets = drawn()
    masked = targets.copy()
    masked[10:25, 1] = -1
    known = masked[:, 1] >= 0
    alone = multilabel_metrics(logits[known][:, 1:2], targets[known][:, 1:2], ("b",))
    assert multilabel_metrics(logits, masked, "abcd")["per_class"]["b"] == alone["per_class"]["b"]
    assert alone["per_class"]["b"]["known"] == 35


def test_micro_means_loss_and_hamming_accuracy_run_over_known_cells():
    logits, targets = drawn()
    masked = np.where(np.random.default_rng(1).random(targets.shape) < 0.3, -1, targets)
    known = masked >= 0
    cells = multilabel_metrics(logits[known][:, None], targets[known][:, None], ("any",))
    found = multilabel_metrics(logits, masked, "abcd")
    micro = [key for key in BY_HAND if key.endswith("_micro")]
    for key in ("loss", "hamming_accuracy", *micro):
        assert found[key] == pytest.approx(cells[key], abs=1e-12), key
    assert len(micro) == 6


def test_an_image_is_compared_in_its_known_cells_and_left_out_where_it_has_none():
    logits = np.array([[5.0, 5.0, -5.0], [5.0, -5.0, -5.0], [5.0, 5.0, 5.0]])
    targets = np.array([[1, -1, 0], [0, 1, -1], [-1, -1, -1]])
    found = multilabel_metrics(logits, targets, NAMES)
    assert found["images"] == 2
    assert found["accuracy"] == 1 / 2  # the first image; its unknown carton is predicted and not held against it
    assert found["precision_samples"] == 1 / 2
    assert found["hamming_accuracy"] == 2 / 4


def test_labels_whose_float32_probability_is_1_are_still_ranked():
    logits = np.array([[30.0], [20.0], [25.0]], dtype=np.float32)
    found = multilabel_metrics(logits, np.array([[1], [0], [1]]), ("can",))
    assert found["mAP"] == found["auroc_macro"] == found["auroc_micro"] == 1.0
    p = 1 / (1 + np.exp(-logits))
    assert sk.roc_auc_score([1, 0, 1], p[:, 0]) == 0.5  # what the probabilities would have given


def test_the_loss_of_extreme_logits_is_exact():
    found = multilabel_metrics(np.array([[-1000.0], [1000.0]]), np.array([[1], [1]]), ("can",))
    assert found["loss"] == 500.0
