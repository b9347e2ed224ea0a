"""Features of a split: computed once by all processes together, then read from the disk.

They are kept below the cache folder under a name that says what they depend on: the encoder's weights and config, the
preprocessing, the arithmetic, and the content of the images in their order. Class names, labels, the head and every
other key of a recipe may change without a forward pass.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
import torch
from filelock import FileLock
from tqdm import tqdm  # type: ignore[import-untyped]

from finetune.cache import cache_dir
from finetune.data import DecodedImages
from finetune.errors import FinetuneError
from finetune.model import LoadedModel
from finetune.model.head import find_heads, head_names
from finetune.model.saved import Attention
from finetune.predict import Precision, encode, whole_batches
from finetune.recipe import Recipe
from finetune.training.hardware import Hardware
from finetune.training.processes import from_main, wait_for_all
from finetune.training.scoring import Share

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FORMAT = 1
_PASSES = 64  # forward passes between writes
_PACKAGES = ("torch", "transformers", "pillow")
_ABOUT_CLASSES = ("id2label", "label2id", "num_labels", "problem_type")
_ABOUT_FILES = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")


@dataclass(frozen=True)
class Features:
    """What a frozen encoder says of the images of a split.

    Args:
        heads: Name of the head to (images, width) float32, memory-mapped and read-only.
        cached: Whether they were there already.
    """

    heads: dict[str, np.ndarray]
    cached: bool


def features_of(
    loaded: LoadedModel,
    images: datasets.Dataset,
    contents: Sequence[bytes],
    hardware: Hardware,
    *,
    batch_size: int,
    device: torch.device,
    precision: Precision,
) -> Features:
    """Features of all images, in their order, in every process; called by all processes.

    What is there whole is used. Else each process makes some of the passes that one process would make, so that the
    features are the same however many there are. Whoever else wants the same features waits for them. They get their
    name when they are whole: what a killed process left is overwritten.

    Args:
        loaded: The model, on ``device``, and its pixels.
        contents: A digest of each image's bytes.
        batch_size: Images per forward pass.
    Raises:
        FinetuneError: the cache folder cannot be written.
        CheckpointError: the model's heads take no vectors.
    """
    about = _about(loaded, contents, device, precision)
    folder = cache_dir("features") / hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]
    files = _Files(folder.with_name(f"{folder.name}.part"), len(images), _widths(loaded.model))
    with FileLock(f"{folder}.lock") if hardware.is_main else nullcontext():
        cached: bool = from_main(lambda: folder.is_dir() or files.create(about))
        if not cached:
            _encode_together(loaded, images, files, hardware, batch_size, device, precision)
            wait_for_all()
            if hardware.is_main:
                os.replace(files.folder, folder)
    wait_for_all()
    return Features({name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in files.widths}, cached)


def attention_of(recipe: Recipe) -> Attention:
    """The attention implementation for features: where the recipe has no wish, that of an opened model."""
    return "eager" if recipe.model.attention == "eager" else "sdpa"


def encoder_digest(model: PreTrainedModel) -> str:
    """SHA-256 over the weights and the config of a model without its head and the names of its classes."""
    config = {
        key: value for key, value in model.config.to_dict().items() if key not in (*_ABOUT_CLASSES, *_ABOUT_FILES)
    }
    digest = hashlib.sha256(json.dumps([type(model).__name__, config], sort_keys=True, default=str).encode())
    heads = head_names(model)
    for name, tensor in sorted(model.state_dict().items()):
        if name not in heads:
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _about(
    loaded: LoadedModel, contents: Sequence[bytes], device: torch.device, precision: Precision
) -> dict[str, Any]:
    """All that features depend on."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return {
        "format": FORMAT,
        "encoder": encoder_digest(loaded.model),
        "pixels": dataclasses.asdict(loaded.pixels),
        "precision": precision,
        "attention": getattr(loaded.model.config, "_attn_implementation", None),
        "device": device.type,
        "images": [len(contents), digest.hexdigest()],
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _widths(model: PreTrainedModel) -> dict[str, int]:
    return {name: head.in_features for name, head in find_heads(model).items()}


def _encode_together(
    loaded: LoadedModel,
    images: datasets.Dataset,
    files: _Files,
    hardware: Hardware,
    batch_size: int,
    device: torch.device,
    precision: Precision,
) -> None:
    """Compute and write the rows that are this process's."""
    decoded = DecodedImages(images, keep_mb=0)  # each is needed once
    mine = whole_batches(len(images), batch_size, hardware.rank, hardware.processes)
    silent = None if hardware.is_main else True
    with tqdm(total=len(mine), desc="encoding images", unit="img", delay=2, disable=silent, leave=False) as bar:
        for start in range(mine.start, mine.stop, _PASSES * batch_size):
            piece = range(start, min(start + _PASSES * batch_size, mine.stop))
            rows = encode(
                loaded.model,
                Share(decoded, piece),
                loaded.pixels,
                batch_size=batch_size,
                device=device,
                precision=precision,
            )
            files.write(start, rows)
            bar.update(len(piece))


@dataclass(frozen=True)
class _Files:
    """One .npy file for each head, written row by row by several processes.

    Not through a memory map: a full disk would then end the process by a signal, instead of an error.
    """

    folder: Path
    images: int
    widths: dict[str, int]

    def create(self, about: dict[str, Any]) -> bool:
        """Make them at their full size, over whatever is there; False, for they hold nothing yet."""
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir()
            (self.folder / "about.json").write_text(json.dumps(about, indent=2), encoding="utf-8")
            for name, width in self.widths.items():
                with self._file(name).open("wb") as file:
                    shape = {"descr": "<f4", "fortran_order": False, "shape": (self.images, width)}
                    np.lib.format.write_array_header_1_0(file, shape)
                    file.truncate(file.tell() + 4 * self.images * width)
        except OSError as error:
            raise self._cannot_write(error) from error
        return False

    def write(self, first: int, rows: dict[str, np.ndarray]) -> None:
        """Write (n, width) float32 of each head from row ``first`` on."""
        try:
            for name, block in rows.items():
                with self._file(name).open("r+b") as file:
                    file.seek(4 * self.widths[name] * (first - self.images), os.SEEK_END)
                    file.write(np.ascontiguousarray(block, dtype="<f4").tobytes())
        except OSError as error:
            raise self._cannot_write(error) from error

    def _file(self, head: str) -> Path:
        return self.folder / f"{head}.npy"

    def _cannot_write(self, error: OSError) -> FinetuneError:
        size = 4 * self.images * sum(self.widths.values()) / 2**20
        return FinetuneError(
            f"the features of {self.images} images ({size:.0f} MB) cannot be written to {self.folder.parent} "
            f"({error.strerror}); free some space, or set the environment variable DEIT_FINETUNE_CACHE to a folder "
            "that all processes can write"
        )
