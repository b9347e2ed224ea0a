"""Logits and targets that do not fit together are refused in words."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.errors import DataError
from finetune.labels import LabelSpace
from finetune.metrics import score_metrics

LABELS = LabelSpace(("can", "carton"))
LOGITS = np.array([[1.0, 2.0], [3.0, 1.0]])


@pytest.mark.parametrize(
    ("task", "logits", "targets", "words"),
    [
        ("multiclass", LOGITS[:, :1], [0, 1], r"logits have shape \(2, 1\); expected \(images, 2\), a column for each"),
        ("multiclass", LOGITS[0], [0, 1], r"logits have shape \(2,\); expected \(images, 2\)"),
        ("multiclass", LOGITS, [0], r"targets have shape \(1,\); expected \(2,\) for multiclass"),
        ("multiclass", LOGITS, [[0, 1], [1, 0]], r"targets have shape \(2, 2\); expected \(2,\) for multiclass"),
        ("multilabel", LOGITS, [0, 1], r"targets have shape \(2,\); expected \(2, 2\) for multilabel"),
        ("multiclass", LOGITS, [0, 2], r"targets hold 2; expected whole numbers from -1 \(unknown\) to 1"),
        ("multiclass", LOGITS, [0, -100], r"targets hold -100; expected whole numbers"),
        ("multilabel", LOGITS, [[0, 1], [0.5, 1]], r"targets hold 0.5; expected whole numbers"),
        ("multilabel", LOGITS, [[0, 1], [np.nan, 1]], r"targets hold nan; expected whole numbers"),
        ("multilabel", LOGITS, [[0, 2], [0, 1]], r"targets hold 2; expected whole numbers from -1 \(unknown\) to 1"),
        ("multiclass", LOGITS, ["can", "carton"], r"targets are of type <U6; expected numbers"),
        ("multiclass", LOGITS.astype(str), [0, 1], r"logits are of type <U32; expected numbers"),
        ("multi", LOGITS, [0, 1], r"task 'multi' is not one of multiclass, multilabel"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_was_found_and_expected(task, logits, targets, words):
    with pytest.raises(DataError, match=words):
        score_metrics(task, logits, targets, LABELS)


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(threshold):
    with pytest.raises(DataError, match=f"threshold is {threshold}; expected a probability from 0 to 1"):
        score_metrics("multilabel", LOGITS, [[0, 1], [1, 1]], LABELS, threshold=threshold)


def test_a_k_of_0_is_refused():
    with pytest.raises(DataError, match="top_k is 0; expected 1 or more"):
        score_metrics("multiclass", LOGITS, [0, 1], LABELS, top_k=0)
