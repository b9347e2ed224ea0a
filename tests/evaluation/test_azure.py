"""Azure's names: which there are, what a config may say, and what each number is."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sklearn.metrics as sk

from finetune.errors import DataError
from finetune.evaluation import Judge, Scored
from finetune.evaluation.azure_config import AzureConfig, read_azure_config
from finetune.evaluation.azure_metrics import azure_metrics
from finetune.labels import LabelSpace
from finetune.metrics.azure_names import AZURE_NAMES
from finetune.metrics.names import known_metric
from finetune.model.decision import Decision

IOU = {"iou", "iou_macro", "iou_micro", "iou_weighted"}
AVERAGED = ("AUC", "f1_score", "precision_score", "recall_score", "average_precision_score")
ALL = {
    *("log_loss", "accuracy", "balanced_accuracy", "weighted_accuracy", "matthews_correlation", "norm_macro_recall"),
    *(f"{name}_{average}" for name in AVERAGED for average in ("macro", "micro", "weighted", "binary")),
    *("confusion_matrix", "accuracy_table"),
}


def scored(task, classes=3, images=40, seed=0):
    random = np.random.default_rng(seed)
    labels = LabelSpace(tuple("abcde"[:classes]))
    if task == "multiclass":
        truth = np.append(np.arange(classes), random.integers(classes, size=images - classes))
        logits = random.normal(size=(images, classes)) + np.eye(classes)[truth]
        # every class is predicted, so that Azure's means over what occurs or is predicted are ours
        logits[:classes] = 5 * np.eye(classes)
    else:
        truth = random.integers(2, size=(images, classes)).astype(np.int8)
        truth[truth.sum(axis=1) == 0, 0] = 1
        logits = random.normal(size=(images, classes)) + truth - 0.5
    return Scored("test", task, labels, [str(i) for i in range(images)], logits, truth)


def measured(given, names=tuple(AZURE_NAMES)):
    return azure_metrics(given, Judge(Decision()), AzureConfig(tuple(names)))


def test_there_are_28_names_for_one_label_and_four_more_for_several():
    assert set(AZURE_NAMES) - IOU == ALL
    assert len(ALL) == 28
    assert len(AZURE_NAMES) == 32


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_every_name_of_ours_that_the_table_gives_is_measured(task):
    for name, azure in AZURE_NAMES.items():
        ours = getattr(azure, task)
        assert not ours or ours == "confusion_matrix" or known_metric(ours, task), name


def test_multiclass_numbers_are_those_of_azures_definitions():
    given = scored("multiclass")
    true, guess = given.targets, given.logits.argmax(axis=1)
    probabilities = np.exp(given.logits) / np.exp(given.logits).sum(axis=1, keepdims=True)
    hot, weights = np.eye(3)[true], np.bincount(true)[true] / len(true)
    recall = sk.recall_score(true, guess, average="macro")
    expected = {
        "accuracy": sk.accuracy_score(true, guess),
        "weighted_accuracy": sk.accuracy_score(true, guess, sample_weight=weights),
        "balanced_accuracy": recall,
        "norm_macro_recall": max(0.0, (recall - 1 / 3) / (1 - 1 / 3)),
        "log_loss": sk.log_loss(true, probabilities),
        "matthews_correlation": sk.matthews_corrcoef(true, guess),
        "AUC_binary": None,
        "iou": None,
    }
    for average in ("macro", "micro", "weighted"):
        expected |= {
            f"AUC_{average}": sk.roc_auc_score(hot, probabilities, average=average),
            f"average_precision_score_{average}": sk.average_precision_score(hot, probabilities, average=average),
            f"f1_score_{average}": sk.f1_score(true, guess, average=average),
            f"precision_score_{average}": sk.precision_score(true, guess, average=average),
            f"recall_score_{average}": sk.recall_score(true, guess, average=average),
        }
    found = measured(given)
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["confusion_matrix"]["data"]["matrix"] == sk.confusion_matrix(true, guess).tolist()
    assert found["confusion_matrix"]["data"]["class_labels"] == ["a", "b", "c"]


def test_multilabel_numbers_are_those_of_azures_definitions():
    given = scored("multilabel")
    true, guess = given.targets, (given.logits >= 0).astype(int)
    expected = {
        "accuracy": sk.accuracy_score(true, guess),
        "balanced_accuracy": sk.recall_score(true, guess, average="macro"),
        "iou": sk.jaccard_score(true, guess, average="samples"),
        "weighted_accuracy": None,
        "norm_macro_recall": None,
        "matthews_correlation": None,
    }
    for average in ("macro", "micro", "weighted"):
        expected |= {
            f"AUC_{average}": sk.roc_auc_score(true, given.logits, average=average),
            f"average_precision_score_{average}": sk.average_precision_score(true, given.logits, average=average),
            f"f1_score_{average}": sk.f1_score(true, guess, average=average),
            f"precision_score_{average}": sk.precision_score(true, guess, average=average),
            f"recall_score_{average}": sk.recall_score(true, guess, average=average),
            f"iou_{average}": sk.jaccard_score(true, guess, average=average),
        }
    found = measured(given)
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    expected_matrix = sk.multilabel_confusion_matrix(true, guess).tolist()
    assert found["confusion_matrix"]["data"]["matrix"] == expected_matrix


def test_of_two_classes_the_second_is_the_positive_one():
    given = scored("multiclass", classes=2)
    true, guess = given.targets, given.logits.argmax(axis=1)
    score = given.logits[:, 1] - given.logits[:, 0]
    assert measured(given, [f"{name}_binary" for name in AVERAGED]) == pytest.approx(
        {
            "AUC_binary": sk.roc_auc_score(true, score),
            "f1_score_binary": sk.f1_score(true, guess),
            "precision_score_binary": sk.precision_score(true, guess),
            "recall_score_binary": sk.recall_score(true, guess),
            "average_precision_score_binary": sk.average_precision_score(true, score),
        }
    )


def test_an_accuracy_table_is_what_counting_at_every_threshold_gives():
    given = scored("multiclass", images=20)
    table = measured(given, ["accuracy_table"])["accuracy_table"]
    assert (table["schema_type"], table["schema_version"]) == ("accuracy_table", "1.0.1")
    data = table["data"]
    probabilities = np.exp(given.logits) / np.exp(given.logits).sum(axis=1, keepdims=True)
    assert data["probability_thresholds"] == np.linspace(0, 1, 100).tolist()
    for kind in ("probability", "percentile"):
        for label in range(3):
            for threshold, row in zip(data[f"{kind}_thresholds"], data[f"{kind}_tables"][label], strict=True):
                # The highest percentile is a probability itself, which numpy's sum here may round another way.
                hit, own = probabilities[:, label] >= threshold - 1e-15, given.targets == label
                counts = [(hit & own).sum(), (hit & ~own).sum(), (~hit & ~own).sum(), (~hit & own).sum()]
                assert row == counts


def test_a_config_without_metrics_means_all_of_them(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("{}")
    assert read_azure_config(path) == AzureConfig(tuple(AZURE_NAMES), None)
    path.write_text(json.dumps({"metrics": ["iou", "accuracy"], "threshold": 0.4}))
    assert read_azure_config(path) == AzureConfig(("iou", "accuracy"), 0.4)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"metrics": ["f1_macro"]}', "metrics: 'f1_macro' is no metric of Azure's image classification"),
        ('{"metrics": "accuracy"}', "metrics: found 'accuracy', expected a list of names"),
        ('{"metric": ["accuracy"]}', "metric: unknown key; did you mean 'metrics'?"),
        ('{"threshold": 50}', "threshold: found 50, expected a number from 0 to 1"),
        ("[]", "found list, expected"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_a_wrong_config_is_answered_by_what_was_expected(tmp_path, content, fault):
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_azure_config(path)
    assert fault in str(caught.value)
    assert str(path) in str(caught.value)


def test_without_images_or_with_logits_that_are_no_numbers_every_name_is_null():
    given = scored("multiclass")
    broken = given.with_logits(np.full_like(given.logits, np.nan))
    assert set(measured(broken).values()) == {None}
