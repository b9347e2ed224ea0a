"""Probabilities, decisions and the lines of predictions.jsonl."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.labels import LabelSpace
from finetune.model.task import Multiclass, Multilabel
from finetune.predict import Prediction, prediction_rows

LABELS = LabelSpace(("can", "carton", "milk_bottle"))


def test_a_multiclass_line_has_the_documented_keys_and_the_likeliest_class_first():
    logits = np.log([[0.05, 0.91, 0.04]])
    (line,) = prediction_rows("validation", ["/1.jpg"], np.array([1]), logits, LABELS, Multiclass(), 0.5)
    assert list(line) == ["split", "path", "true", "predicted", "probabilities"]
    assert (line["split"], line["path"], line["true"], line["predicted"]) == (
        "validation",
        "/1.jpg",
        ["carton"],
        ["carton"],
    )
    assert list(line["probabilities"]) == ["carton", "can", "milk_bottle"]
    assert line["probabilities"] == pytest.approx({"carton": 0.91, "can": 0.05, "milk_bottle": 0.04})


def test_a_multilabel_line_decides_from_the_threshold_up_and_says_what_nobody_knows():
    logits = np.array([[0.0, 2.0, -1.0], [-1.0, -1.0, -1.0]])
    truth = np.array([[1, 0, -1], [0, 0, 0]], dtype=np.int8)
    known, empty = prediction_rows("test", ["a", "b"], truth, logits, LABELS, Multilabel(), 0.5)
    assert known["true"] == ["can"]
    assert known["predicted"] == ["can", "carton"]
    assert known["unknown"] == ["milk_bottle"]
    assert list(known["probabilities"]) == ["carton", "can", "milk_bottle"]
    assert known["probabilities"]["can"] == 0.5
    assert (empty["true"], empty["predicted"], "unknown" in empty) == ([], [], False)


def test_the_threshold_is_the_one_that_is_given():
    (line,) = prediction_rows("test", ["a"], np.zeros((1, 3)), np.zeros((1, 3)), LABELS, Multilabel(), 0.6)
    assert line["predicted"] == []


def test_logits_that_are_not_finite_predict_nothing():
    logits = np.array([[np.nan, 1.0, 0.0]])
    (line,) = prediction_rows("test", ["a"], np.array([0]), logits, LABELS, Multiclass(), 0.5)
    assert line["predicted"] == []
    assert set(line["probabilities"]) == set(LABELS.names)


def test_lines_and_targets_must_be_as_many():
    with pytest.raises(ValueError, match="shorter"):
        list(prediction_rows("test", ["a", "b"], np.array([0]), np.zeros((2, 3)), LABELS, Multiclass(), 0.5))


def test_the_top_is_at_most_as_long_as_there_are_classes():
    prediction = Prediction(None, ["can"], {"can": 0.9, "carton": 0.1})
    assert prediction.top(5) == [("can", 0.9), ("carton", 0.1)]


def test_a_line_names_the_group_that_other_images_are_in():
    lines = list(
        prediction_rows(
            "test",
            list("abc"),
            np.zeros(3, int),
            np.zeros((3, 3)),
            LABELS,
            Multiclass(),
            0.5,
            together=np.array([4, 9, 4]),
        )
    )
    assert [line.get("group") for line in lines] == [4, None, 4]
