"""Names of metrics: what a recipe may ask for, and how it is told when it may not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from finetune.errors import DataError
from finetune.metrics import check_metric, default_best_metric, higher_is_better, known_metric, metric_names

BOTH = [
    *(f"{kind}_{mean}" for kind in ("precision", "recall", "f1") for mean in ("macro", "micro", "weighted")),
    *("loss", "accuracy", "mAP", "mAP_weighted", "auroc_macro", "auroc_weighted"),
]
ONLY = {
    "multiclass": ["top5_accuracy", "balanced_accuracy", "log_loss", "mcc"],
    "multilabel": [
        *("hamming_accuracy", "precision_samples", "recall_samples", "f1_samples", "mAP_micro", "auroc_micro"),
        *("iou_macro", "iou_micro", "iou_weighted", "iou_samples"),
    ],
}


@pytest.mark.parametrize("task", ONLY)
def test_a_task_has_these_metrics(task):
    assert sorted(metric_names(task)) == sorted(BOTH + ONLY[task])


def test_top_k_accuracy_is_named_by_its_k():
    assert "top3_accuracy" in metric_names("multiclass", top_k=3)
    assert known_metric("top3_accuracy", "multiclass")
    assert not known_metric("top0_accuracy", "multiclass")
    assert not known_metric("top3_accuracy", "multilabel")
    assert not known_metric("top{k}_accuracy", "multiclass")


@pytest.mark.parametrize("task", ONLY)
def test_higher_is_better_but_for_losses(task):
    assert [name for name in metric_names(task) if not higher_is_better(name)] == (
        ["loss", "log_loss"] if task == "multiclass" else ["loss"]
    )


@pytest.mark.parametrize("task", ONLY)
def test_the_metric_that_picks_the_best_model_is_one_of_the_task(task):
    assert check_metric(default_best_metric(task), task) == {"multiclass": "accuracy", "multilabel": "mAP"}[task]


@pytest.mark.parametrize(
    ("name", "task", "words"),
    [
        ("acuracy", "multiclass", "'acuracy' is not a metric of multiclass; did you mean 'accuracy'?"),
        ("map", "multilabel", "'map' is not a metric of multilabel; did you mean 'mAP'?"),
        ("MAP_MICRO", "multilabel", "did you mean 'mAP_micro'?"),
        ("mcc", "multilabel", "'mcc' is not a metric of multilabel; expected one of loss, accuracy, hamming_accuracy"),
        ("eval_loss", "multiclass", "did you mean 'log_loss'?|did you mean 'loss'?"),
        ("f1", "multiclass", "'f1' is not a metric of multiclass"),
    ],
)
def test_another_name_is_refused_with_the_nearest(name, task, words):
    with pytest.raises(DataError, match=words.replace("?", r"\?")):
        check_metric(name, task)


def test_a_top_k_accuracy_that_is_not_measured_is_refused_with_the_one_that_is():
    with pytest.raises(
        DataError, match=r"'top3_accuracy' is not measured: evaluate.top_k is 5, so it is top5_accuracy"
    ):
        check_metric("top3_accuracy", "multiclass")
    with pytest.raises(
        DataError, match=r"'top5_accuracy' is not measured: there are 4 classes, so it is top4_accuracy"
    ):
        check_metric("top5_accuracy", "multiclass", classes=4)
    assert check_metric("top4_accuracy", "multiclass", classes=4) == "top4_accuracy"


def test_a_task_that_does_not_exist_is_refused():
    with pytest.raises(
        DataError, match=r"task 'multi-label' is not one of multiclass, multilabel; did you mean 'multilabel'"
    ):
        metric_names("multi-label")


def test_the_direction_of_an_unknown_metric_is_refused():
    with pytest.raises(DataError, match=r"'acc' is not a metric"):
        higher_is_better("acc")


def test_names_are_known_without_loading_anything_heavy():
    code = (
        "import sys, finetune.metrics as m; m.metric_names('multiclass'); m.higher_is_better('mAP'); "
        "print(sorted({'numpy', 'sklearn', 'scipy', 'evaluate', 'datasets', 'pyarrow', 'torch'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
