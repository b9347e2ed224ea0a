"""A million images: the same numbers as of a thousand that repeat, and little memory beside logits and targets."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from finetune.labels import LabelSpace
from finetune.metrics import score_metrics

LABELS = LabelSpace(("can", "carton", "milk_bottle", "water_bottle"))


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_many_images_score_as_the_few_that_they_repeat_within_a_bound_of_memory(task):
    random = np.random.default_rng(0)
    logits = random.normal(size=(1000, 4)).astype(np.float32)
    targets = (
        random.integers(4, size=1000) if task == "multiclass" else (random.random((1000, 4)) < 0.3).astype(np.int8)
    )
    few = score_metrics(task, logits, targets, LABELS)
    many_logits, many_targets = np.tile(logits, (1000, 1)), np.concatenate([targets] * 1000)
    tracemalloc.start()
    try:
        many = score_metrics(task, many_logits, many_targets, LABELS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert many["images"] == 1_000_000
    for key, value in few.items():
        if isinstance(value, float):
            assert many[key] == pytest.approx(value, rel=1e-9), key
    assert peak / 2**20 < 200
