"""The one table that defines all metrics is current, and says all that is measured."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.labels import LabelSpace
from finetune.metrics import metric_names, score_metrics
from finetune.metrics.definitions import COUNTS, TASKS
from finetune.metrics.names import per_class_names
from finetune.metrics.reference import README, reference


def test_the_readme_is_what_the_table_of_metrics_says():
    assert README.read_text(encoding="utf-8") == reference(), "run: python -m finetune.metrics.reference"


@pytest.mark.parametrize("task", TASKS)
def test_what_is_measured_is_what_the_table_defines(task):
    targets = np.arange(6) if task == "multiclass" else np.eye(6, dtype=int)
    found = score_metrics(task, np.eye(6), targets, LabelSpace.numbered(6))
    matrix = ["confusion_matrix"] if task == "multiclass" else []
    assert list(found) == [*(count.key for count in COUNTS), *metric_names(task), "per_class", *matrix]
    assert all(list(row) == per_class_names(task) for row in found["per_class"].values())
