"""Every metric there is: key, definition, range and direction, in one table.

``finetune/metrics/README.md`` is written from it, recipes are checked against it, and a test holds that what is
measured is what stands here. Nothing heavy is imported: a recipe is checked before numpy is needed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from finetune.errors import DataError, did_you_mean

MULTICLASS, MULTILABEL = "multiclass", "multilabel"
TASKS = (MULTICLASS, MULTILABEL)
DEFAULT_TOP_K = 5


@dataclass(frozen=True)
class Metric:
    """One number that is measured for a split.

    Args:
        key: Its name in ``metrics.json``; ``{k}`` stands for the k of top-k accuracy.
        title: Its name in a sentence.
        tasks: The tasks that have it.
        definition: What it is, in one or two sentences.
        range: Its possible values.
        better: Which way is better.
    """

    key: str
    title: str
    tasks: tuple[str, ...]
    definition: str
    range: str = "0 to 1"
    better: Literal["higher", "lower"] = "higher"


_BOTH = TASKS
_CLASS, _LABEL = (MULTICLASS,), (MULTILABEL,)

METRICS: tuple[Metric, ...] = (
    Metric(
        "loss",
        "loss",
        _BOTH,
        "Cross-entropy of the softmax, mean over images (multiclass); binary cross-entropy of the sigmoids, mean over "
        "known cells (multilabel). Computed from the logits, without label smoothing and never clipped.",
        "0 to infinity",
        "lower",
    ),
    Metric("accuracy", "accuracy", _CLASS, "Share of images whose highest logit is the true class's."),
    Metric(
        "accuracy",
        "exact match",
        _LABEL,
        "Share of images whose set of predicted labels is the true set (subset accuracy); unknown cells are not "
        "compared.",
    ),
    Metric(
        "top{k}_accuracy",
        "top-k accuracy",
        _CLASS,
        "Share of images whose true class is among the k highest logits. The key carries the k that was used: "
        "`evaluate.top_k`, or the number of classes if that is less. Among equal logits the lower class id goes first.",
    ),
    Metric(
        "balanced_accuracy",
        "balanced accuracy",
        _CLASS,
        "Mean recall of the classes that occur; the same number as recall_macro.",
    ),
    Metric(
        "hamming_accuracy",
        "Hamming accuracy",
        _LABEL,
        "Share of known cells (image and class) that are decided rightly.",
    ),
    Metric("precision_macro", "precision, macro", _BOTH, "Mean over classes of TP / (TP + FP)."),
    Metric("precision_micro", "precision, micro", _BOTH, "TP / (TP + FP), counted over all classes together."),
    Metric("precision_weighted", "precision, weighted", _BOTH, "Mean over classes, weighted by their positives."),
    Metric("precision_samples", "precision, samples", _LABEL, "Mean over images of TP / (TP + FP) of its labels."),
    Metric("recall_macro", "recall, macro", _BOTH, "Mean over classes of TP / (TP + FN)."),
    Metric("recall_micro", "recall, micro", _BOTH, "TP / (TP + FN), counted over all classes together."),
    Metric("recall_weighted", "recall, weighted", _BOTH, "Mean over classes, weighted by their positives."),
    Metric("recall_samples", "recall, samples", _LABEL, "Mean over images of TP / (TP + FN) of its labels."),
    Metric("f1_macro", "F1, macro", _BOTH, "Mean over classes of 2 TP / (2 TP + FP + FN)."),
    Metric("f1_micro", "F1, micro", _BOTH, "2 TP / (2 TP + FP + FN), counted over all classes together."),
    Metric("f1_weighted", "F1, weighted", _BOTH, "Mean over classes, weighted by their positives."),
    Metric("f1_samples", "F1, samples", _LABEL, "Mean over images of 2 TP / (2 TP + FP + FN) of its labels."),
    Metric("iou_macro", "IoU, macro", _LABEL, "Mean over classes of TP / (TP + FP + FN), the Jaccard index."),
    Metric("iou_micro", "IoU, micro", _LABEL, "TP / (TP + FP + FN), counted over all classes together."),
    Metric("iou_weighted", "IoU, weighted", _LABEL, "Mean over classes, weighted by their positives."),
    Metric("iou_samples", "IoU, samples", _LABEL, "Mean over images of TP / (TP + FP + FN) of its labels."),
    Metric(
        "mAP",
        "mean average precision",
        _BOTH,
        "Mean over classes of the average precision, each class against the rest.",
    ),
    Metric(
        "mAP_micro",
        "average precision, micro",
        _LABEL,
        "Average precision of all known cells, ranked together.",
    ),
    Metric("mAP_weighted", "average precision, weighted", _BOTH, "Mean over classes, weighted by their positives."),
    Metric(
        "auroc_macro",
        "AUROC, macro",
        _BOTH,
        "Mean over classes of the area under the ROC curve, each class against the rest.",
    ),
    Metric("auroc_micro", "AUROC, micro", _LABEL, "Area under the ROC curve of all known cells, ranked together."),
    Metric("auroc_weighted", "AUROC, weighted", _BOTH, "Mean over classes, weighted by their positives."),
    Metric(
        "log_loss",
        "log loss",
        _CLASS,
        "As loss, with the probability of the true class clipped from below at 2.2e-16, as scikit-learn does: one "
        "hopeless image adds at most 36.04.",
        "0 to 36.04",
        "lower",
    ),
    Metric(
        "mcc",
        "Matthews correlation",
        _CLASS,
        "Correlation of true and predicted classes. None where only one class occurs; 0 where several occur and only "
        "one is predicted.",
        "-1 to 1",
    ),
)

_TOP_K = re.compile(r"top([1-9][0-9]*)_accuracy")


def metric_names(task: str, top_k: int = DEFAULT_TOP_K) -> list[str]:
    """The keys of a task's metrics, in the order of the table: what ``evaluate.best_metric`` may name.

    Args:
        task: multiclass or multilabel.
        top_k: The k of top-k accuracy, ``evaluate.top_k``.
    Raises:
        DataError: there is no such task.

    >>> metric_names("multiclass")[:3]
    ['loss', 'accuracy', 'top5_accuracy']
    """
    check_task(task)
    return [metric.key.format(k=top_k) for metric in METRICS if task in metric.tasks]


def known_metric(name: str, task: str) -> bool:
    """Whether a task has a metric of that name; of top-k accuracies, any k.

    >>> known_metric("top3_accuracy", "multiclass"), known_metric("iou_macro", "multiclass")
    (True, False)
    """
    return any(_matches(metric, name) for metric in METRICS if task in metric.tasks)


def check_metric(name: str, task: str, top_k: int = DEFAULT_TOP_K, classes: int | None = None) -> str:
    """The name, if it will be among the metrics of such a task.

    Args:
        name: What the user wrote.
        task: multiclass or multilabel.
        top_k: ``evaluate.top_k``.
        classes: How many classes there are, once that is known.
    Raises:
        DataError: it is no metric of this task; the nearest name is suggested.

    >>> check_metric("f1_makro", "multilabel")
    Traceback (most recent call last):
    finetune.errors.DataError: 'f1_makro' is not a metric of multilabel; did you mean 'f1_macro'?
    """
    used = top_k if classes is None else min(top_k, classes)
    names = metric_names(task, used)
    if name in names:
        return name
    if known_metric(name, task):
        why = f"evaluate.top_k is {top_k}" if used == top_k else f"there are {classes} classes"
        raise DataError(f"{name!r} is not measured: {why}, so it is top{used}_accuracy that is")
    raise DataError(f"{name!r} is not a metric of {task}{did_you_mean(name, names) or _expected(names)}")


def higher_is_better(name: str) -> bool:
    """Which way a metric is better.

    Raises:
        DataError: no task has a metric of that name.

    >>> higher_is_better("mAP"), higher_is_better("loss")
    (True, False)
    """
    for metric in METRICS:
        if _matches(metric, name):
            return metric.better == "higher"
    known = sorted({name for task in TASKS for name in metric_names(task)})
    raise DataError(f"{name!r} is not a metric{did_you_mean(name, known) or _expected(known)}")


def default_best_metric(task: str) -> str:
    """The metric that picks the best model unless the recipe names one.

    >>> default_best_metric("multiclass"), default_best_metric("multilabel")
    ('accuracy', 'mAP')
    """
    check_task(task)
    return "accuracy" if task == MULTICLASS else "mAP"


def check_task(task: str) -> None:
    """Refuse a task that does not exist.

    Raises:
        DataError: it is neither multiclass nor multilabel.
    """
    if task not in TASKS:
        raise DataError(f"task {task!r} is not one of {', '.join(TASKS)}{did_you_mean(task, TASKS)}")


def _matches(metric: Metric, name: str) -> bool:
    return bool(_TOP_K.fullmatch(name)) if "{k}" in metric.key else metric.key == name


def _expected(names: list[str]) -> str:
    return f"; expected one of {', '.join(names)}"
