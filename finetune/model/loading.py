"""``from_pretrained``, strict: nothing is drawn anew in silence, and every failure says what to do."""

from __future__ import annotations

import contextlib
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.errors import CheckpointError, FinetuneError
from finetune.model.head import head_names
from finetune.pixels import PixelPipeline

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

GIT_LFS_POINTER = b"version https://git-lfs"


def load_strictly(folder: Path) -> tuple[PreTrainedModel, set[str]]:
    """Load an image classifier in float32; every tensor but those of the head must be there and fit.

    Returns:
        The model in evaluation mode, and the names of the head's tensors that the checkpoint does not fill.
    Raises:
        CheckpointError: it cannot be read, is no image classifier, or another tensor is missing, unexpected or
            of another shape.
    """
    import torch
    from transformers import AutoModelForImageClassification

    _check_config(folder)
    with quiet_transformers(), _as_checkpoint_error(folder):
        model, info = AutoModelForImageClassification.from_pretrained(
            folder,
            dtype=torch.float32,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # so that the report comes back; what it lists is checked below
        )
    return model, _check_report(folder, info, head_names(model))


def read_config(folder: Path) -> PreTrainedConfig:
    """The config of an image classifier.

    Raises:
        CheckpointError: it cannot be read, or is of no image classifier.
    """
    from transformers import AutoConfig

    _check_config(folder)
    with quiet_transformers(), _as_checkpoint_error(folder):
        config: PreTrainedConfig = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    return config


def without_weights(config: PreTrainedConfig) -> PreTrainedModel:
    """The model that a config describes, with the shapes of its weights and no memory for them."""
    import torch
    from transformers import AutoModelForImageClassification

    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForImageClassification.from_config(config)  # type: ignore[no-untyped-call]
    return model


def draw_anew(folder: Path, seed: int, size_px: int | None = None) -> PreTrainedModel:
    """The architecture that a checkpoint's config.json describes, its weights drawn as transformers and DeiT do.

    Args:
        folder: Needs no weights.
        seed: Of the weights; torch's global random state is left as it was.
        size_px: Side of the input, where it shall be another than the config's.
    Raises:
        CheckpointError: the config cannot be read, or is of no image classifier.
    """
    import torch
    from transformers import AutoModelForImageClassification

    config = read_config(folder)
    with quiet_transformers(), _as_checkpoint_error(folder), torch.random.fork_rng(devices=[]):
        if size_px is not None and getattr(config, "image_size", None) is not None:
            config.image_size = size_px if isinstance(config.image_size, int) else [size_px, size_px]
        torch.manual_seed(seed)
        model: PreTrainedModel = AutoModelForImageClassification.from_config(  # type: ignore[no-untyped-call]
            config, dtype=torch.float32
        )
        _draw_empty_tables(model)
    return model


def _draw_empty_tables(model: PreTrainedModel) -> None:
    """Draw the tokens and positions that the library leaves at 0, which for DeiT is all of them, as DeiT does."""
    import torch

    for name, table in model.named_parameters():
        if name.endswith(("cls_token", "distillation_token", "position_embeddings")) and not table.any():
            torch.nn.init.trunc_normal_(table, std=0.02)


def read_preprocessing(folder: Path) -> PixelPipeline:
    """The checkpoint's own preprocessing.

    Raises:
        CheckpointError: there is no preprocessor file, or it asks for something else than resize, crop, normalise.
    """
    from transformers import AutoImageProcessor

    if not (folder / "preprocessor_config.json").is_file():
        raise CheckpointError(
            f"checkpoint {folder} has no preprocessor_config.json, so how its images are prepared is unknown; spell "
            "out model.preprocessing: {resize, resize_px, crop_px, interpolation, mean, std}"
        )
    with quiet_transformers(), _as_checkpoint_error(folder):
        processor = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            folder, backend="pil", do_convert_rgb=True, trust_remote_code=False, local_files_only=True
        )
        return PixelPipeline.from_processor(processor)


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bars and load reports: what they would say is checked and raised instead."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(50)  # critical
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _check_config(folder: Path) -> None:
    """Say what is wrong with a config before transformers says it in its own, longer way."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as CLASSIFIERS

    path = folder / "config.json"
    if not path.is_file():
        adapter = " (its adapter_config.json belongs to an adapter, which is no model by itself)"
        raise CheckpointError(
            f"checkpoint {folder} has no config.json{adapter if (folder / 'adapter_config.json').exists() else ''}; "
            "expected a folder that save_pretrained wrote, or a run folder"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        model_type = config["model_type"]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is no config of a transformers model ({type(error).__name__}: {error})"
        ) from None
    if model_type not in CLASSIFIERS:
        needs_code = "; code that comes with a checkpoint is never run" if "auto_map" in config else ""
        raise CheckpointError(
            f"checkpoint {folder} is of type {model_type!r}, which transformers does not know as an image "
            f"classifier{needs_code}; choose one such as ViT, DeiT, Swin, BEiT, ConvNeXt or ResNet"
        )
    if config.get("num_channels", 3) != 3:
        raise CheckpointError(
            f"checkpoint {folder} takes images of {config['num_channels']} channels; here images have 3 (RGB), "
            "so choose another checkpoint"
        )


def _check_report(folder: Path, info: dict[str, Any], head: set[str]) -> set[str]:
    """The head's tensors that are new. What else differs is an error that names the first and both shapes."""
    shapes = {name: (tuple(found), tuple(wanted)) for name, found, wanted in info["mismatched_keys"]}
    missing, unexpected = set(info["missing_keys"]) - set(shapes), set(info["unexpected_keys"])
    faults = [f"{name} {shapes[name][0]} against {shapes[name][1]}" for name in sorted(set(shapes) - head)]
    faults += [f"{name}, which it lacks" for name in sorted(missing - head)]
    faults += [f"{name}, for which the model has no place" for name in sorted(unexpected - head)]
    if faults:
        raise CheckpointError(
            f"checkpoint {folder}: only {', '.join(sorted(head))} may be new, but {len(faults)} other "
            f"tensor{'s differ' if len(faults) > 1 else ' differs'} from what its config.json says, first "
            f"{faults[0]}; is it another model or size?"
        )
    return head & (missing | set(shapes))


@contextlib.contextmanager
def _as_checkpoint_error(folder: Path) -> Iterator[None]:
    """Whatever goes wrong while files of a checkpoint are read is the checkpoint's fault, in one line."""
    try:
        yield
    except FinetuneError:
        raise
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"checkpoint {folder} cannot be loaded: its .bin file is damaged, or a pickle that would run code, which "
            "is refused; get the checkpoint as safetensors"
        ) from error
    except Exception as error:
        said = " ".join(str(error).split())[:300]
        raise CheckpointError(f"checkpoint {folder} cannot be loaded: {_diagnosis(folder)}{said}") from error


def _diagnosis(folder: Path) -> str:
    weights = [path for pattern in ("*.safetensors", "*.bin") for path in sorted(folder.glob(pattern))]
    if not weights:
        return "it has no weights (expected model.safetensors, or pytorch_model.bin); "
    for path in weights:
        with path.open("rb") as file:
            if file.read(len(GIT_LFS_POINTER)) == GIT_LFS_POINTER:
                return f"{path.name} is only a pointer, run `git lfs pull` there; "
        if path.suffix == ".safetensors" and not _opens(path):
            return f"{path.name} is damaged or incomplete, copy or download it again; "
    return ""


def _opens(path: Path) -> bool:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt"):
            return True
    except SafetensorError:
        return False
