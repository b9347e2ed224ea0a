"""Scores and targets to numbers. Names answer at once; numpy, scikit-learn and evaluate load with the first score."""

from finetune.metrics.names import (
    check_metric,
    default_best_metric,
    higher_is_better,
    known_metric,
    metric_names,
)
from finetune.metrics.score import score_metrics
from finetune.metrics.table import class_table, metrics_table

__all__ = [
    "check_metric",
    "class_table",
    "default_best_metric",
    "higher_is_better",
    "known_metric",
    "metric_names",
    "metrics_table",
    "score_metrics",
]
