"""Metrics as text in 80 columns."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.labels import LabelSpace
from finetune.metrics import class_table, metrics_table, score_metrics
from finetune.metrics.table import _cells

ROW = {"support": 3, "predicted": 2, "precision": 1.0, "recall": 0.5, "f1": 0.5, "average_precision": 0.5, "auroc": 0.5}


@pytest.mark.parametrize(
    ("task", "targets", "rows"),
    [
        ("multiclass", [0, 1, 1], "images loss accuracy balanced_accuracy mAP f1_macro f1_micro"),
        ("multilabel", np.eye(3, 2, dtype=int), "images loss accuracy hamming_accuracy mAP f1_macro f1_micro"),
    ],
)
def test_a_task_s_headline_metrics_have_a_row_each(task, targets, rows):
    found = score_metrics(task, np.eye(3, 2), targets, LabelSpace(("can", "carton")))
    lines = metrics_table({"validation": found, "test": found}).splitlines()
    assert lines[0].split() == ["validation", "test"]
    assert [line.split()[0] for line in lines[1:]] == rows.split()
    assert all(len(line.split()) == 3 for line in lines[1:])


def test_a_metric_without_a_value_is_a_dash_and_the_reason_is_a_row():
    found = score_metrics("multiclass", np.full((3, 2), np.nan), [0, 1, 1], LabelSpace(("can", "carton")))
    lines = [line.split() for line in metrics_table({"validation": found}).splitlines()]
    assert lines[1:4] == [["images", "3"], ["images_not_finite", "3"], ["loss", "-"]]


def test_many_splits_continue_below_and_none_is_lost():
    found = {"images": 3, "accuracy": 0.5}
    text = metrics_table({f"site-{number:02d}-of-the-hospital": found for number in range(7)})
    assert max(map(len, text.splitlines())) <= 80
    assert [word for word in text.split() if word.startswith("site")] == [
        f"site-{number:02d}-of-the-hospital" for number in range(7)
    ]
    assert text.count("accuracy") == 4  # two splits side by side


def test_classes_are_sorted_by_need():
    rows = {
        "good": {**ROW, "f1": 1.0},
        "absent": {**ROW, "support": 0, "f1": None, "recall": None},
        "poor": {**ROW, "f1": 0.1},
        "poor and frequent": {**ROW, "f1": 0.1, "support": 9},
    }
    assert [line[:17].rstrip() for line in class_table(rows).splitlines()[1:]] == [
        "poor and frequent",
        "poor",
        "good",
        "absent",
    ]


@pytest.mark.parametrize(("classes", "last"), [(20, "c19"), (21, "and 1 more class"), (1000, "and 980 more classes")])
def test_at_most_twenty_classes_are_listed(classes, last):
    lines = class_table({f"c{number:02d}": ROW for number in range(classes)}).splitlines()
    assert len(lines) == 1 + 20 + (classes > 20)
    assert lines[-1].startswith(last)


def test_long_wide_and_unprintable_names_stay_in_eighty_columns():
    text = class_table({"牛乳パック" * 9: ROW, "x" * 200: ROW, "two\nlines": ROW, "é" * 3: ROW})
    lines = text.splitlines()
    assert len(lines) == 5
    assert {_cells(line) for line in lines[:1] + lines[2:]} == {80}
    assert any(line.startswith("two?lines ") for line in lines)
    assert any(line.startswith("牛乳パック牛") and "... " in line for line in lines)


def test_no_splits_or_classes_is_no_error():
    assert metrics_table({}).strip() == ""
    assert class_table({}).split() == []
