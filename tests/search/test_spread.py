"""Mean and 95 % interval, against scipy's own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from finetune.search.spread import mean_and_interval, t_interval


def test_the_interval_is_scipys_t_interval():
    values = [0.91, 0.85, 0.96, 0.88, 0.93]
    expected = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert t_interval(values) == pytest.approx(list(expected), abs=1e-12)


def test_two_equal_scores_have_an_interval_without_width():
    assert t_interval([0.5, 0.5]) == [0.5, 0.5]


def test_numbers_are_averaged_and_counts_and_tables_left_out():
    folds = [{"images": 4, "loss": 0.5, "per_class": {}}, {"images": 5, "loss": 1.5, "per_class": {}}]
    mean, interval = mean_and_interval(folds)
    assert mean == {"loss": 1.0}
    assert interval["loss"] == pytest.approx([1.0 - 0.5 * 12.7062, 1.0 + 0.5 * 12.7062], abs=1e-4)  # t(0.975, 1)


def test_a_metric_that_one_fold_lacks_has_neither_mean_nor_interval():
    assert mean_and_interval([{"mAP": 0.5}, {"mAP": None}]) == ({"mAP": None}, {"mAP": None})
    assert mean_and_interval([{"mAP": None}, {"mAP": 0.5}]) == ({"mAP": None}, {"mAP": None})
