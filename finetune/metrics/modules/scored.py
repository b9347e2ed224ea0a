"""What both modules share: arrays go to the computation as they are, and nothing is written to disk.

``evaluate.Metric.compute`` copies its inputs through an Arrow file and back to lists; for logits that is most of the
time and memory. Here arrays that are handed to `compute` in one piece skip that. What comes by `add` and `add_batch`
takes evaluate's own way, also with several processes.
"""

from __future__ import annotations

import os
from typing import Any

import evaluate
import numpy as np


class Scored(evaluate.Metric):  # type: ignore[misc]
    """Base of the modules."""

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any] | None:
        """Metrics of the predictions (logits) and references (targets) given here or added before."""
        added = self.writer is not None or self.cache_file_name is not None
        if predictions is None or references is None or added or self.num_process > 1:
            result: dict[str, Any] | None = super().compute(predictions=predictions, references=references, **kwargs)
            return result
        return self._compute(predictions=np.asarray(predictions), references=np.asarray(references), **kwargs)

    def _build_data_dir(self) -> str:
        """Where evaluate would keep what is added; it is made when that happens, not before."""
        return os.path.join(self._data_dir_root, self.name, self.config_name)

    def _create_cache_file(self, timeout: float = 1) -> Any:
        os.makedirs(self.data_dir, exist_ok=True)
        return super()._create_cache_file(timeout=timeout)
