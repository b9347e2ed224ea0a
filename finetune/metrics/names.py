"""Which metrics a task has, and which way they are better: what a recipe is checked against.

Nothing heavy is imported: a recipe's fault is told before numpy is needed.
"""

from __future__ import annotations

import re

from finetune.errors import DataError, did_you_mean
from finetune.metrics.definitions import DEFAULT_TOP_K, METRICS, MULTICLASS, PER_CLASS, TASKS, Metric

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


def per_class_names(task: str) -> list[str]:
    """The keys of each class's row, in order.

    >>> per_class_names("multiclass")[:3]
    ['support', 'predicted', 'precision']
    """
    check_task(task)
    return [column.key for column in PER_CLASS if task in column.tasks]


def known_metric(name: str, task: str) -> bool:
    """Whether a task has a metric of that name; of top-k accuracies, any k.

    >>> known_metric("top3_accuracy", "multiclass"), known_metric("iou_macro", "multiclass")
    (True, False)
    """
    return any(_matches(metric, name) for metric in METRICS if task in metric.tasks)


def metric_of(name: str, task: str) -> Metric:
    """What the table says of a metric that a task has.

    >>> metric_of("accuracy", "multilabel").title, metric_of("top5_accuracy", "multiclass").title
    ('exact match', 'top-k accuracy')
    """
    return next(metric for metric in METRICS if task in metric.tasks and _matches(metric, name))


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
    raise DataError(f"{name!r} is not a metric of {task}{_hint(name, names)}")


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
    raise DataError(f"{name!r} is not a metric{_hint(name, known)}")


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


def _hint(name: str, names: list[str]) -> str:
    """The nearest name, first of all the same in other capitals (``map``), or all of them."""
    same = [known for known in names if known.casefold() == name.casefold()]
    return did_you_mean(same[0] if same else name, names) or f"; expected one of {', '.join(names)}"
