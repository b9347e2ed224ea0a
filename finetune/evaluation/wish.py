"""What a user wants evaluated: on which images, which classes, and how."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune.evaluation.azure_config import AzureConfig
from finetune.predict import Precision


@dataclasses.dataclass(frozen=True)
class Wish:
    """What to evaluate on, and how.

    Args:
        data: A folder, a table, ``bundled:NAME``, or a recipe whose ``data`` section is meant; None for the run's own
            held-out images.
        split: train, validation, test or all; None takes test, else validation, else all images, and of a run's own
            data validation and test.
        overrides: Dotted ``data`` keys.
        classes: Only these of the data's classes; of one label an image, the model chooses among these alone.
        class_names: A file with what the data call the model's outputs, one a line.
        name: Of the folder below ``evaluations``.
        out: A folder to write instead.
        config: An evaluation config of Azure.
        threshold: Probability from which a label is predicted, instead of the model's own, tuned ones included.
        top_k: k of top-k accuracy; None as the run has it, and 5 for a checkpoint.
        flip: Average the logits of an image and its mirror image; None as the run does in its own metrics.
        precision: Arithmetic; None as the run's own metrics have it, and fp32 for a checkpoint.
        batch_size: Images per forward pass.
    """

    data: str | Path | None = None
    split: str | None = None
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    classes: Sequence[str] | None = None
    class_names: str | Path | None = None
    name: str | None = None
    out: str | Path | None = None
    config: AzureConfig | None = None
    threshold: float | None = None
    top_k: int | None = None
    flip: bool | None = None
    precision: Precision | None = None
    batch_size: int | None = None
