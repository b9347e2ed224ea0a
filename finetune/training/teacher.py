"""A teacher: another classifier of the same classes, whose outputs the student learns from beside the labels.

The teacher looks at the very crops that the student looks at, as in "Training data-efficient image transformers &
distillation through attention" (Touvron et al., 2021), brought to its own input size and normalisation. It is frozen,
and nothing of it is saved with the student.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from finetune.errors import CheckpointError
from finetune.labels import LabelSpace
from finetune.model.head import class_names
from finetune.model.loading import load_strictly
from finetune.model.preprocessing import choose_preprocessing
from finetune.model.sources import Source, locate
from finetune.model.task import Multiclass, Multilabel, Task
from finetune.pixels import PixelPipeline
from finetune.pixels.constants import on_device
from finetune.pixels.shared import SharedPixels
from finetune.recipe.sections import Model
from finetune.training.hardware import Precision

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from finetune.recipe.sections import Distill

KEY = "distill.teacher"
NAMED = 5
"""How many classes a message names."""
AUTOCAST = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

OTHER_TASK = {
    Multiclass.problem_type: "its probabilities (softmax) add up to 1 over the classes and do not say of each label "
    "whether it is there",
    Multilabel.problem_type: "it judges each label by itself (sigmoid) and does not say which one class it is",
}

Answers = Callable[[dict[str, torch.Tensor]], torch.Tensor]
"""A batch to the teacher's logits, (N, C) float32 in the order of the student's classes."""


@dataclass(frozen=True)
class Teacher:
    """A frozen classifier that answers in the student's terms.

    Args:
        model: Evaluation mode, nothing learns.
        pixels: From the student's crops to what the model takes.
        rows: For each of the student's classes, which of the model's outputs it is.
        precision: Arithmetic of the training step.
        source: Where it comes from, for the run's record; plain values only.
    """

    model: PreTrainedModel
    pixels: SharedPixels
    rows: Sequence[int]
    precision: Precision
    source: dict[str, Any]

    @torch.no_grad()
    def __call__(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Look at ``pixels`` (N, 3, H, W), uint8 or floating point in [0, 1], of a batch; see ``Answers``."""
        pixel_values = self.pixels.normalise(batch["pixels"])
        dtype, wanted = AUTOCAST[self.precision], self.precision != "fp32"
        with torch.autocast(pixel_values.device.type, dtype=dtype, enabled=wanted):
            logits: torch.Tensor = self.model(pixel_values=pixel_values).logits
        return self.in_order(logits.float())

    def in_order(self, logits: torch.Tensor) -> torch.Tensor:
        """The model's outputs (N, C), brought into the order of the student's classes."""
        return logits.index_select(1, on_device(tuple(map(float, self.rows)), logits.device).long())


@dataclass(frozen=True)
class KeptAnswers:
    """What the teacher said of each training image, for images that look the same in every epoch.

    Args:
        logits: (training images, C) float32 on the training device, in the order of the student's classes.
    """

    logits: torch.Tensor

    def __call__(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Look up ``images`` (N,) int64 of a batch; see ``Answers``."""
        return self.logits[batch["images"]]

    @classmethod
    def of(cls, teacher: Teacher, logits: np.ndarray, device: torch.device) -> KeptAnswers:
        """Of the model's own outputs, (training images, C)."""
        return cls(teacher.in_order(torch.from_numpy(logits)).to(device))


def load_teacher(
    distill: Distill, labels: LabelSpace, task: Task, student: PixelPipeline, precision: Precision
) -> Teacher:
    """Load the teacher that a recipe names; torch's global random state is left as it was.

    Args:
        labels: The student's classes; the teacher must have the same, in any order.
        task: The student's; the teacher must have been trained for the same.
        student: The student's pixels.
        precision: Arithmetic of the training step.
    Raises:
        CheckpointError: it cannot be found or read, has other classes or another task, or lacks a trained head.
        UnreachableError: it would have to be downloaded and cannot.
    """
    source = locate(distill.teacher, distill.revision, key=KEY)
    with torch.random.fork_rng(devices=[]):
        model, not_filled = load_strictly(source.folder)
    _check_head(source, not_filled)
    _check_task(source, model, task)
    rows = _match_classes(source, class_names(model), labels)
    own_pixels, note = _preprocessing(source, model)
    model.requires_grad_(False).eval()  # type: ignore[no-untyped-call]
    record = {
        **source.record(),
        "architecture": type(model).__name__,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "classes": class_names(model),
        "preprocessing": dataclasses.asdict(own_pixels),
        "preprocessing_note": note,
    }
    return Teacher(model, SharedPixels(student, own_pixels), rows, precision, record)


def _check_head(source: Source, not_filled: set[str]) -> None:
    if not_filled:
        raise CheckpointError(
            f"{KEY}: {source.checkpoint} has no {sorted(not_filled)[0]} that fits its config.json, so its answers "
            "would be random; fine-tune it for the data's classes first, or name another"
        )


def _check_task(source: Source, model: PreTrainedModel, task: Task) -> None:
    """Checkpoints on the Hub often say nothing of their task; those of one label an image are the rule there."""
    said = str(model.config.problem_type or Multiclass.problem_type)
    if said != task.problem_type:
        why = OTHER_TASK.get(said, "it is no classifier")
        raise CheckpointError(
            f"{KEY}: {source.checkpoint} cannot teach {task.name}: its config.json says problem_type "
            f"{model.config.problem_type or 'null'}, so {why}; name a teacher that was trained for {task.name}"
        )


def _match_classes(source: Source, known: list[str], labels: LabelSpace) -> list[int]:
    """For each of the student's classes, the row of the teacher's outputs that has its name."""
    differences = [
        f"{who} {_some(names)}"
        for who, names in (
            ("the teacher lacks", set(labels.names) - set(known)),
            ("the data lack", set(known) - set(labels.names)),
        )
        if names
    ]
    if differences:
        raise CheckpointError(
            f"{KEY}: {source.checkpoint} does not have the data's {len(labels)} classes: {'; '.join(differences)}; "
            "name a teacher of the same classes, by the same names"
        )
    if len(known) > len(labels):
        twice = {name for name in known if known.count(name) > 1}
        raise CheckpointError(f"{KEY}: {source.checkpoint} has several outputs of one name: {_some(twice)}")
    return [known.index(name) for name in labels.names]


def _some(names: set[str]) -> str:
    """How many, and the first of them.

    >>> _some({"can", "carton"}), _some(set("abcdefg"))
    ("2 ('can', 'carton')", "7 ('a', 'b', 'c', 'd', 'e' and 2 more)")
    """
    first = ", ".join(repr(name) for name in sorted(names)[:NAMED])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{len(names)} ({first}{more})"


def _preprocessing(source: Source, model: PreTrainedModel) -> tuple[PixelPipeline, str | None]:
    """The teacher's own, mended where its file is known to be wrong, as for a student."""
    if not (source.folder / "preprocessor_config.json").is_file():
        raise CheckpointError(
            f"{KEY}: {source.checkpoint} has no preprocessor_config.json, so how its images are prepared is unknown; "
            f"save its image processor (save_pretrained) into a copy of {source.folder} and name that"
        )
    try:
        pixels, note = choose_preprocessing(Model(checkpoint=source.checkpoint), source, None)
    except CheckpointError as error:
        why = str(error).partition("; ")[0]  # what to do is another thing for a teacher: model.preprocessing is not its
        raise CheckpointError(
            f"{KEY}: {source.checkpoint} cannot teach, because images cannot be prepared as its "
            f"{_processor_class(source)} does: {why}; fine-tune it here with model.preprocessing spelled out and name "
            f"that run, or save a ViTImageProcessor that comes near into a copy of {source.folder} and name that"
        ) from error
    _check_size(source, model, pixels.size_px)
    return pixels, note


def _processor_class(source: Source) -> str:
    try:
        said = json.loads((source.folder / "preprocessor_config.json").read_text(encoding="utf-8"))
        return str(said.get("image_processor_type") or said["feature_extractor_type"])
    except (ValueError, KeyError, AttributeError):
        return "image processor"


@torch.no_grad()
def _check_size(source: Source, model: PreTrainedModel, size_px: int) -> None:
    try:
        model(pixel_values=torch.zeros(1, 3, size_px, size_px))
    except Exception as error:
        raise CheckpointError(
            f"{KEY}: {source.checkpoint} cannot take images of {size_px} px, which its preprocessor_config.json gives "
            f"({error}); correct the file in a copy and name that"
        ) from error
