"""All multiclass metrics as one module of Hugging Face's evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np

from finetune.metrics.modules import scored
from finetune.metrics.multiclass import multiclass_metrics

_INPUTS = """
Args:
    predictions: logits, a list of one number per class for each image.
    references: class ids, -1 where nobody knows.
    class_names: names of the classes; by default their numbers.
    top_k: k of top-k accuracy.
"""


class Multiclass(scored.Scored):
    """Metrics of multiclass logits."""

    def _info(self) -> Any:
        features = {"predictions": datasets.Sequence(datasets.Value("float32")), "references": datasets.Value("int64")}
        return evaluate.MetricInfo(
            description="All metrics of deit-finetune for task: multiclass.",
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features(features),
        )

    def _compute(
        self, predictions: Any, references: Any, class_names: Sequence[str] | None = None, top_k: int = 5
    ) -> dict[str, Any]:
        names = class_names or [str(class_id) for class_id in range(np.shape(predictions)[-1])]
        return multiclass_metrics(predictions, references, names, top_k)
