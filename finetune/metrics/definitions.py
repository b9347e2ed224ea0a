"""Every metric there is: key, definition, range and direction, in one table.

The README in this folder is written from it, and a test holds that what is measured is what stands here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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


@dataclass(frozen=True)
class Column:
    """What stands beside the metrics: a count of a split, or a value of one class.

    Args:
        key: Its name in ``metrics.json``.
        tasks: The tasks that have it.
        definition: What it is.
    """

    key: str
    tasks: tuple[str, ...]
    definition: str


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
        "Correlation of true and predicted classes. null where only one class occurs; 0 where several occur and only "
        "one is predicted.",
        "-1 to 1",
    ),
)

COUNTS: tuple[Column, ...] = (
    Column("images", _BOTH, "Images that were scored: those with a known label."),
    Column(
        "images_not_finite",
        _BOTH,
        "Images of these with a logit that is NaN or infinite. If there is a single one, every metric is null.",
    ),
)

PER_CLASS: tuple[Column, ...] = (
    Column("known", _LABEL, "Images where it is known whether the class is present."),
    Column("support", _BOTH, "Images where the class is present, its positives."),
    Column("predicted", _BOTH, "Images where the class is predicted."),
    Column("precision", _BOTH, "TP / (TP + FP); 0 if the class occurs and is never predicted, null if neither."),
    Column("recall", _BOTH, "TP / (TP + FN); null without positives."),
    Column("f1", _BOTH, "2 TP / (2 TP + FP + FN); null without positives."),
    Column("iou", _LABEL, "TP / (TP + FP + FN); null without positives."),
    Column("average_precision", _BOTH, "Average precision of the class against the rest; null without positives."),
    Column(
        "auroc",
        _BOTH,
        "Area under the ROC curve of the class against the rest; null without positives or without negatives.",
    ),
)
