"""Seconds that all metrics of a split take, and what evaluate's own way through Arrow would add.

python tests/benchmarks/score_metrics.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from finetune.labels import LabelSpace
from finetune.metrics import score_metrics
from finetune.metrics.modules import metric_module

SIZES = [
    ("multiclass", 300, 10),
    ("multiclass", 50_000, 10),
    ("multiclass", 5_000, 1000),
    ("multiclass", 1_000_000, 4),
    ("multilabel", 50_000, 10),
    ("multilabel", 100_000, 20),
]
THROUGH_ARROW = 50_000 * 100  # cells; more would only take long


def drawn(task: str, images: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(images, classes)).astype(np.float32)
    if task == "multiclass":
        return logits, rng.integers(0, classes, images)
    return logits, (rng.random((images, classes)) < 0.2).astype(np.int8)


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    for task in ("multiclass", "multilabel"):
        score_metrics(task, *drawn(task, 50, 3), LabelSpace.numbered(3))  # imports
    print(f"{'task':12}{'images':>10}{'classes':>9}{'score_metrics':>15}{'by add_batch':>14}")
    for task, images, classes in SIZES:
        logits, targets = drawn(task, images, classes)
        direct = seconds(lambda: score_metrics(task, logits, targets, LabelSpace.numbered(classes)))  # noqa: B023
        module = type(metric_module(task))(keep_in_memory=True)
        through = "-"
        if images * classes <= THROUGH_ARROW:
            module.add_batch(predictions=logits[:1], references=targets[:1])  # so that compute goes on from there
            through = f"{seconds(lambda: module.compute(predictions=logits[1:], references=targets[1:])):.2f} s"  # noqa: B023
        print(f"{task:12}{images:10}{classes:9}{direct:13.2f} s{through:>14}")


if __name__ == "__main__":
    main()
