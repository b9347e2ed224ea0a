"""All multiclass metrics as one module of Hugging Face's evaluate."""

from __future__ import annotations

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
        self, predictions: Any, references: Any, class_names: list[str] | None = None, top_k: int = 5
    ) -> dict[str, Any]:
        logits = np.asarray(predictions)
        names = class_names or [str(i) for i in range(logits.shape[1])]
        return multiclass_metrics(logits, np.asarray(references), names, top_k)
