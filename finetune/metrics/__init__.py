"""Scores and targets to numbers. Names answer at once; numpy, scikit-learn and evaluate load with the first score."""

from finetune.metrics.names import (
    METRICS,
    check_metric,
    default_best_metric,
    higher_is_better,
    known_metric,
    metric_names,
)
from finetune.metrics.score import score_metrics

__all__ = [
    "METRICS",
    "check_metric",
    "default_best_metric",
    "higher_is_better",
    "known_metric",
    "metric_names",
    "score_metrics",
]
