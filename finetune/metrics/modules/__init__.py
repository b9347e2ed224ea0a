"""The metrics as modules of Hugging Face's evaluate; they load from this folder, without a network.

>>> module_path("multilabel").name  # for evaluate.load
'multilabel.py'
>>> metric_module("multiclass").compute(predictions=[[2.0, 1.0], [0.0, 3.0]], references=[0, 1])["accuracy"]
1.0
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from finetune.metrics.names import check_task


def module_path(task: str) -> Path:
    """The script that ``evaluate.load`` takes for a task."""
    check_task(task)
    return Path(__file__).parent / f"{task}.py"


def metric_module(task: str) -> Any:
    """An ``evaluate.Metric`` for a task, imported from the package.

    ``evaluate.load`` would copy the script into a cache folder first and leave a lock file there; what it returns is
    the same. evaluate is imported here and nowhere else: it takes seconds.
    """
    check_task(task)
    module = importlib.import_module(f"finetune.metrics.modules.{task}")
    return getattr(module, task.capitalize())()
