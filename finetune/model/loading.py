"""from_pretrained, strict: nothing is drawn anew in silence, and every failure says what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from finetune.errors import CheckpointError
from finetune.pixels import PixelPipeline

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def load_strictly(path: str, **where: Any) -> tuple[PreTrainedModel, set[str]]:
    """Load an image classifier in float32; every tensor but those of the head must be there and fit.

    Args:
        path: A local folder or a name on the Hub.
        where: revision, local_files_only.
    Returns:
        The model in evaluation mode, and the names of the head's tensors that the checkpoint does not fill.
    Raises:
        CheckpointError: it cannot be read, or another tensor is missing, unexpected or of another shape.
    """
    import torch
    from transformers import AutoModelForImageClassification

    from finetune.model.head import head_names

    with quiet_transformers(), readable(path):
        model, info = AutoModelForImageClassification.from_pretrained(
            path,
            dtype=torch.float32,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # so that the report comes back; what it lists is checked below
            **where,
        )
    return model, _check_report(path, info, head_names(model))


def read_preprocessing(path: str, **where: Any) -> PixelPipeline:
    """The checkpoint's own preprocessing.

    Raises:
        CheckpointError: there is no preprocessor file, or it asks for something else than resize, crop, normalise.
    """
    from transformers import AutoImageProcessor

    with quiet_transformers(), readable(path):
        processor = AutoImageProcessor.from_pretrained(
            path, backend="pil", do_convert_rgb=True, trust_remote_code=False, **where
        )
    return PixelPipeline.from_processor(processor)


def _check_report(path: str, info: dict[str, Any], head: set[str]) -> set[str]:
    missing, unexpected = set(info["missing_keys"]), set(info["unexpected_keys"])
    shapes = {name: (tuple(found), tuple(wanted)) for name, found, wanted in info["mismatched_keys"]}
    faults = [f"{name} is missing" for name in sorted(missing - head)]
    faults += [f"{name} {shapes[name][0]} against {shapes[name][1]}" for name in sorted(set(shapes) - head)]
    faults += [f"{name} is not part of the model" for name in sorted(unexpected - head)]
    if faults:
        raise CheckpointError(
            f"checkpoint {path}: only the head ({', '.join(sorted(head))}) may be new, but {len(faults)} other "
            f"tensors differ from what its config.json says, first {faults[0]}; is it another model or size?"
        )
    return head & (missing | set(shapes))


@contextlib.contextmanager
def readable(path: str) -> Iterator[None]:
    """Turn what transformers and safetensors raise about a checkpoint into one kind of error that says what to do."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"checkpoint {path}: {str(error).strip().splitlines()[0]}") from error


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bars and load reports: what they would say is checked and raised instead."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
