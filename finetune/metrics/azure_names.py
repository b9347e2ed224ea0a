"""The metrics of Azure's evaluation of image classifiers, by its names, and which of ours each is.

Source: the definitions of azureml-metrics 0.0.91 (PyPI), which Azure ML's model evaluation component computes with.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AzureName:
    """One of Azure's metrics.

    Args:
        multiclass, multilabel: Our key that is the same number; empty where we have none of that name.
        note: How it is computed, and where it is null.
    """

    multiclass: str = ""
    multilabel: str = ""
    note: str = ""


_MICRO = "multiclass: of all cells (image and class) ranked together by probability"
_BINARY = "of the second class, where there are two; else null"


def _averages(azure: str, ours: str, weighted: str = "", micro_note: str = "") -> dict[str, AzureName]:
    """Macro, micro, weighted and binary of one metric."""
    macro = f"{ours}_macro" if not weighted else ours
    return {
        f"{azure}_macro": AzureName(macro, macro),
        f"{azure}_micro": AzureName("" if micro_note else f"{ours}_micro", f"{ours}_micro", micro_note),
        f"{azure}_weighted": AzureName(*[weighted or f"{ours}_weighted"] * 2),
        f"{azure}_binary": AzureName(note=_BINARY),
    }


AZURE_NAMES: dict[str, AzureName] = {
    "log_loss": AzureName("log_loss", "loss", "multilabel: of known cells; Azure's sums over present labels alone"),
    "accuracy": AzureName("accuracy", "accuracy"),
    "balanced_accuracy": AzureName("balanced_accuracy", "recall_macro"),
    "weighted_accuracy": AzureName(
        note="multiclass: accuracy in which an image counts as often as its class occurs; multilabel: null"
    ),
    "matthews_correlation": AzureName("mcc", "", "multilabel: null"),
    "norm_macro_recall": AzureName(
        note="multiclass: (recall_macro - 1/C) / (1 - 1/C) of C classes, at least 0; multilabel: null, Azure's "
        "compares the highest probability with an image's first label"
    ),
    **_averages("AUC", "auroc", micro_note=_MICRO),
    **_averages("f1_score", "f1"),
    **_averages("precision_score", "precision"),
    **_averages("recall_score", "recall"),
    **_averages("average_precision_score", "mAP", "mAP_weighted", _MICRO),
    "confusion_matrix": AzureName(
        "confusion_matrix", "", "as Azure's JSON; multilabel: for each class [[TN, FP], [FN, TP]]"
    ),
    "accuracy_table": AzureName(
        note="as Azure's JSON: for each class TP, FP, TN, FN from each of 100 probabilities and percentiles up"
    ),
    "iou": AzureName(
        "", "iou_samples", "multiclass: null; an image without labels that gets none counts 1, in Azure 0"
    ),
    "iou_macro": AzureName("", "iou_macro", "multiclass: null"),
    "iou_micro": AzureName("", "iou_micro", "multiclass: null"),
    "iou_weighted": AzureName("", "iou_weighted", "multiclass: null"),
}
"""In the order of Azure's documentation. 28 for one label an image; the four of iou besides for several."""
