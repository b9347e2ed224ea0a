"""What has no value is None, never NaN and never a silent 0; nothing warns, and all of it is JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from finetune.labels import LabelSpace
from finetune.metrics import metric_names, score_metrics

RNG = np.random.default_rng(0)
LABELS = LabelSpace(("can", "carton", "milk_bottle"))
LOGITS = RNG.normal(size=(6, 3)).astype(np.float32)
IDS = np.array([0, 1, 2, 0, 1, 2])
CELLS = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0], [0, 1, 1], [1, 0, 0]])


def plain(value):
    """Whether a value is made of what JSON knows, numpy's scalars not among it."""
    if isinstance(value, dict):
        return all(type(key) is str and plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(plain, value))
    return value is None or type(value) in (int, float, str)


SPLITS = {
    "an ordinary split": (LOGITS, IDS, CELLS),
    "a class without positives": (LOGITS[:5], np.array([0, 1, 0, 0, 1]), CELLS[:5] * [1, 1, 0]),
    "a single class": (LOGITS, np.zeros(6, dtype=int), np.tile([1, 0, 0], (6, 1))),
    "no label at all": (LOGITS, np.full(6, -1), np.full((6, 3), -1)),
    "all absent": (LOGITS, IDS, np.zeros((6, 3))),
    "all present": (LOGITS, IDS, np.ones((6, 3))),
    "one image": (LOGITS[:1], IDS[:1], CELLS[:1]),
    "no image": (LOGITS[:0], IDS[:0], CELLS[:0]),
    "one class predicted": (np.tile([5.0, 0.0, 0.0], (6, 1)), IDS, CELLS),
    "nothing predicted": (np.full((6, 3), -5.0), IDS, CELLS),
    "equal logits": (np.zeros((6, 3)), IDS, CELLS),
    "huge logits": (LOGITS.astype(np.float64) * 1e30, IDS, CELLS),
    "half precision": (LOGITS.astype(np.float16), IDS, CELLS),
    "whole numbers": (np.arange(18).reshape(6, 3), IDS.astype(np.uint8), CELLS.astype(bool)),
    "NaN": (np.where(np.arange(6)[:, None] == 2, np.nan, LOGITS), IDS, CELLS),
    "infinity": (np.where(np.arange(6)[:, None] == 2, -np.inf, LOGITS), IDS, CELLS),
}


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("split", SPLITS)
def test_every_split_has_every_metric_as_a_plain_number_or_none(split, task):
    logits, ids, cells = SPLITS[split]
    found = score_metrics(task, logits, ids if task == "multiclass" else cells, LABELS)
    assert plain(found)
    json.dumps(found, allow_nan=False)
    assert [key for key in found if key in metric_names(task, top_k=3)] == metric_names(task, top_k=3)
    assert list(found["per_class"]) == list(LABELS.names)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize(("split", "images", "bad"), [("NaN", 6, 1), ("infinity", 6, 1), ("no image", 0, 0)])
def test_a_logit_that_is_no_number_or_no_image_leaves_only_counts(split, images, bad, task):
    logits, ids, cells = SPLITS[split]
    found = score_metrics(task, logits, ids if task == "multiclass" else cells, LABELS)
    assert (found["images"], found["images_not_finite"]) == (images, bad)
    assert {found[key] for key in metric_names(task, top_k=3)} == {None}
    assert {row["support"] > 0 for row in found["per_class"].values()} == {images > 0}
    assert {row[key] for row in found["per_class"].values() for key in ("predicted", "f1", "auroc")} == {None}
    assert found.get("confusion_matrix") is None


def test_a_class_without_positives_has_no_part_in_macro_means():
    logits = np.array([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [2.0, 0.0, 3.0]])
    found = score_metrics("multiclass", logits, np.array([0, 1, 0]), LABELS)
    assert found["per_class"]["milk_bottle"] == {
        "support": 0,
        "predicted": 1,
        "precision": 0.0,
        "recall": None,
        "f1": None,
        "average_precision": None,
        "auroc": None,
    }
    assert found["recall_macro"] == (1 / 2 + 1) / 2
    assert found["f1_macro"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["mAP"] == pytest.approx(1.0)
    assert found["precision_micro"] == pytest.approx(2 / 3)  # the false milk bottle counts here


def test_a_label_without_positives_has_no_part_in_macro_means_and_counts_in_micro_means():
    logits = np.array([[1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])
    found = score_metrics("multilabel", logits, np.array([[1, 0, 0], [1, 1, 0]]), LABELS)
    assert found["per_class"]["milk_bottle"] == {
        "known": 2,
        "support": 0,
        "predicted": 1,
        "precision": 0.0,
        "recall": None,
        "f1": None,
        "iou": None,
        "average_precision": None,
        "auroc": None,
    }
    assert found["precision_macro"] == found["f1_macro"] == found["iou_macro"] == found["mAP"] == 1.0
    assert found["precision_micro"] == 3 / 4
    assert found["per_class"]["can"]["auroc"] is None  # every image has one
    assert found["per_class"]["can"]["average_precision"] == 1.0
    assert found["auroc_macro"] == 1.0  # the carton's


def test_a_class_that_occurs_and_is_never_predicted_has_precision_0():
    found = score_metrics("multiclass", *(SPLITS["one class predicted"][i] for i in (0, 1)), LABELS)
    assert [row["precision"] for row in found["per_class"].values()] == pytest.approx([1 / 3, 0, 0])
    assert found["precision_macro"] == pytest.approx(1 / 9)
    assert found["mcc"] == 0.0  # several classes occur, and nothing is known of them
    assert found["auroc_macro"] == 0.5


def test_a_split_of_a_single_class_has_no_auroc_and_no_correlation():
    logits, ids, _ = SPLITS["a single class"]
    found = score_metrics("multiclass", logits, ids, LABELS)
    assert found["auroc_macro"] is found["auroc_weighted"] is found["mcc"] is None
    assert found["mAP"] == 1.0
    assert found["balanced_accuracy"] == found["accuracy"]


def test_a_task_of_one_class_is_solved_without_learning():
    found = score_metrics("multiclass", np.array([[0.3], [-2.0]]), np.array([0, 0]), LabelSpace(("can",)))
    assert (found["accuracy"], found["loss"], found["log_loss"], found["top1_accuracy"]) == (1.0, 0.0, 0.0, 1.0)
    assert found["mcc"] is found["auroc_macro"] is None
    assert found["confusion_matrix"] == [[2]]


def test_a_single_label_that_may_be_absent_is_measured_as_a_label_not_as_two_classes():
    found = score_metrics("multilabel", np.array([[1.0], [1.0], [-1.0]]), [[1], [0], [0]], LabelSpace(("can",)))
    assert found["precision_macro"] == found["precision_micro"] == 1 / 2
    assert found["recall_macro"] == 1.0
    assert found["accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(("logit", "precision", "samples", "accuracy"), [(-1.0, None, 1.0, 1.0), (1.0, 0.0, 0.0, 0.0)])
def test_images_without_labels_are_right_where_they_get_none(logit, precision, samples, accuracy):
    found = score_metrics("multilabel", np.full((2, 3), logit), np.zeros((2, 3)), LABELS)
    assert found["precision_micro"] == precision
    assert found["recall_micro"] is found["f1_micro"] is found["iou_micro"] is None
    assert found["f1_macro"] is found["mAP"] is found["mAP_micro"] is found["auroc_micro"] is None
    assert {found[f"{key}_samples"] for key in ("precision", "recall", "f1", "iou")} == {samples}
    assert found["accuracy"] == found["hamming_accuracy"] == accuracy
