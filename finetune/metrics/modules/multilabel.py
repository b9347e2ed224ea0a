"""All multilabel metrics as one module of Hugging Face's evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np

from finetune.metrics.modules import scored
from finetune.metrics.multilabel import multilabel_metrics

_INPUTS = """
Args:
    predictions: logits, a list of one number per class for each image.
    references: 1 present, 0 absent, -1 nobody knows, for each class.
    class_names: names of the classes; by default their numbers.
    threshold: probability from which a label is predicted, or one for each class.
"""


class Multilabel(scored.Scored):
    """Metrics of multilabel logits."""

    def _info(self) -> Any:
        features = {
            "predictions": datasets.Sequence(datasets.Value("float32")),
            "references": datasets.Sequence(datasets.Value("int8")),
        }
        return evaluate.MetricInfo(
            description="All metrics of deit-finetune for task: multilabel.",
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features(features),
        )

    def _compute(
        self, predictions: Any, references: Any, class_names: Sequence[str] | None = None, threshold: Any = 0.5
    ) -> dict[str, Any]:
        names = class_names or [str(class_id) for class_id in range(np.shape(predictions)[-1])]
        return multilabel_metrics(predictions, references, names, threshold)
