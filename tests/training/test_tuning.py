"""Thresholds and temperatures at the end of training: saved with the model, read by what predicts, blind to test."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from finetune.api import open_run
from finetune.api.summary import summary
from finetune.errors import RecipeError
from finetune.evaluation.lines import predicted_of_lines, scored_of_lines
from finetune.labels import LabelSpace
from finetune.metrics import score_metrics
from finetune.training import train

CLASSES = ("circle", "cross", "square")
TUNED = {"evaluate.thresholds": "tuned", "evaluate.calibration": "temperature"}


@pytest.fixture
def table(tmp_path):
    """A function that writes 48 images of one or two labels with a split column; test's labels by choice."""
    (tmp_path / "images").mkdir()
    for i in range(48):
        pixels = np.random.default_rng(i).integers(0, 200, (48, 40, 3), dtype=np.uint8)
        pixels[16 * (i % 3) :][:12] = 250
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i}.png")

    def write(test_labels=None):
        with (tmp_path / "labels.csv").open("w", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(["filename", "labels", "split"])
            for i in range(48):
                split = ("train", "validation", "validation", "test")[i % 4]
                labels = " ".join(sorted({CLASSES[i % 3], CLASSES[(i // 5) % 3]}))
                rows.writerow([f"{i}.png", test_labels or labels if split == "test" else labels, split])
        data = {"kind": "csv", "root": str(tmp_path), "split_column": "split"}
        return {"task": "multilabel", "data": data, **TUNED}

    return write


def decision_of(run):
    return json.loads((run.model / "decision.json").read_text())


def test_what_is_tuned_does_not_change_with_the_test_split(recipe_for, table):
    one = train(recipe_for(**table(), **{"run.name": "one"}))
    other = train(recipe_for(**table(test_labels="cross"), **{"run.name": "other"}))
    assert one.read_metrics()["test"]["loss"] != other.read_metrics()["test"]["loss"]
    assert decision_of(one) == decision_of(other)
    assert one.read_tuning() == other.read_tuning()
    tuned = decision_of(one)
    assert tuned["tuned_on"] == {"split": "validation", "images": 24}
    assert set(tuned["thresholds"].values()) != {0.5}
    assert set(tuned["temperature"].values()) != {1.0}


def test_metrics_and_predictions_and_the_opened_run_decide_alike(recipe_for, table):
    run = train(recipe_for(**table()))
    labels, lines, metrics = LabelSpace(CLASSES), list(run.read_predictions()), run.read_metrics()
    tuned = np.array([decision_of(run)["thresholds"][name] for name in CLASSES])
    test = [line for line in lines if line["split"] == "test"]
    scored = scored_of_lines(test, labels, "multilabel", "test")
    again = score_metrics("multilabel", scored.logits, scored.targets, labels, threshold=tuned)
    for key in ("loss", "accuracy", "f1_macro"):
        assert metrics["test"][key] == pytest.approx(again[key], abs=1e-6), key
    for split in ("validation", "test"):
        own = [line for line in lines if line["split"] == split]
        truth, said = scored_of_lines(own, labels, "multilabel", split).targets, predicted_of_lines(own, labels)
        assert metrics[split]["accuracy"] == pytest.approx((truth == said).all(axis=1).mean())
    opened = open_run(run.path, device="cpu")
    for line, prediction in zip(test, opened.predict([line["path"] for line in test]), strict=True):
        assert prediction.predicted == line["predicted"]
        assert prediction.probabilities == pytest.approx(line["probabilities"], abs=1e-5)


def test_the_split_that_tuned_is_measured_as_the_other_folds_decide(recipe_for, table):
    run = train(recipe_for(**table()))
    report, metrics = run.read_tuning(), run.read_metrics()["validation"]
    assert metrics["f1_macro"] == pytest.approx(report["thresholds"]["cross_fitted"])
    reliability = run.read_reliability()["validation"]
    assert reliability["before"]["ece"] == pytest.approx(report["calibration"]["untuned"])
    assert reliability["after"]["ece"] == pytest.approx(report["calibration"]["cross_fitted"])
    text = summary(run)
    assert "cross-fitted" in text
    assert f"{report['thresholds']['cross_fitted']:.4f}" in text


def test_a_multiclass_model_may_abstain_and_its_accuracy_stays_that_of_all_images(recipe_for):
    run = train(recipe_for(**TUNED, **{"data.split.validation": 0.5, "optim.epochs": 1}))
    decision = decision_of(run)
    assert decision["thresholds"] is None
    assert decision["temperature"] > 0
    metrics, lines = run.read_metrics()["validation"], list(run.read_predictions())
    assert metrics["accuracy"] == pytest.approx(
        np.mean([max(line["probabilities"], key=line["probabilities"].get) == line["true"][0] for line in lines])
    )
    if decision["abstain_below"] is not None:
        assert metrics["abstaining"]["decided"] == np.mean([bool(line["predicted"]) for line in lines])
    (prediction,) = open_run(run.path, device="cpu").predict(lines[0]["path"])
    below = decision["abstain_below"] or 0.0
    assert bool(prediction.predicted) == (max(prediction.probabilities.values()) >= below)


def test_after_a_calibration_both_names_of_the_loss_are_cross_fitted(recipe_for):
    metrics = train(recipe_for(**{"evaluate.calibration": "temperature"})).read_metrics()["validation"]
    assert metrics["log_loss"] == pytest.approx(metrics["loss"], abs=1e-6)


def test_a_run_that_tunes_nothing_saves_no_decision_and_still_says_how_far_to_trust_it(recipe_for):
    run = train(recipe_for())
    assert not (run.model / "decision.json").exists()
    assert run.read_tuning() is None
    metrics = run.read_metrics()["validation"]
    low, high = metrics["intervals"]["accuracy"]
    assert 0 <= low <= metrics["accuracy"] <= high <= 1
    assert run.read_reliability()["validation"]["after"] is None
    assert set(run.read_label_errors()) == {"assumed_noise", "images", "classes"}
    assert "95 % interval" in summary(run)


@pytest.mark.parametrize(("key", "value"), [("evaluate.thresholds", "tuned"), ("evaluate.calibration", "temperature")])
def test_there_must_be_images_to_tune_on(recipe_for, image_folder, key, value):
    whole = {"data": {"kind": "folder", "root": str(image_folder), "split": {"validation": 0.0}}}
    with pytest.raises(RecipeError, match=f"{key}: found {value}, but data.split.validation is 0"):
        train(recipe_for(**whole, **{key: value}))
