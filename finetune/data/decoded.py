"""A data set's images, decoded once and kept while they fit into memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any, Literal

import datasets
from PIL import Image

from finetune.data.formula import draw_named, is_formula
from finetune.data.images import ImageError, decode, pixel_count
from finetune.data.memory import free_memory_bytes

_BYTES_PER_PIXEL = 4  # Pillow stores RGB in four bytes
_MOST_HEADERS = 5_000  # about half a second


class DecodedImages:
    """Decoded RGB images by index.

    What is decoded is kept until the budget is spent; after that, images are decoded each time. Images are handed
    out as they are kept: do not change them. Threads may share one object. A copy that was pickled for a loader
    process, or came there by a fork, keeps nothing more than it brought: otherwise every worker would fill the
    budget again.

    Args:
        dataset: With a column ``image``, not decoded (``datasets.Image(decode=False)``).
        keep_mb: Budget in MB (2**20 bytes); auto takes a quarter of the free memory, shared by the processes of a
            machine.
    Attributes:
        all_kept: Whether all images will fit, by the sizes in their headers (of 5,000 of them, where there are more).
    """

    def __init__(self, dataset: datasets.Dataset, keep_mb: int | Literal["auto"] = "auto") -> None:
        self._dataset = dataset.select_columns(["image"]).with_format(None)
        self._budget_bytes = _automatic_budget() if keep_mb == "auto" else keep_mb * 2**20
        self._kept: dict[int, Image.Image] = {}
        self._owner = os.getpid()
        self._of_formulas = len(dataset) > 0 and is_formula(self._path(0))
        self._lock = threading.Lock()
        self.all_kept = self._fits()

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Image.Image:
        kept = self._kept.get(index)
        if kept is not None:
            return kept
        image = decode(self._dataset[index]["image"])
        self._keep(index, image)
        return image

    def drawn(self, indices: Sequence[int]) -> dict[int, Image.Image]:
        """Images that formulas make, by index: drawn together they take a fraction of the time. Nothing for files."""
        if not self._of_formulas:
            return {}
        kept = {index: self._kept[index] for index in indices if index in self._kept}
        missing = [index for index in dict.fromkeys(indices) if index not in kept]
        fresh = dict(zip(missing, draw_named([self._path(index) for index in missing]), strict=True))
        for index, image in fresh.items():
            self._keep(index, image)
        return kept | fresh

    def _path(self, index: int) -> str:
        path: str = self._dataset[index]["image"]["path"]
        return path

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": {}, "_lock": None, "_owner": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def _keep(self, index: int, image: Image.Image) -> None:
        if os.getpid() != self._owner:
            return
        needed = image.width * image.height * _BYTES_PER_PIXEL
        with self._lock:
            if index not in self._kept and needed <= self._budget_bytes:
                self._kept[index] = image
                self._budget_bytes -= needed

    def _fits(self) -> bool:
        """Add up headers until the budget is spent; of a large data set, evenly spaced images stand for all."""
        step = -(-len(self) // _MOST_HEADERS) or 1
        left = self._budget_bytes
        for index in range(0, len(self), step):
            try:
                left -= pixel_count(self._dataset[index]["image"]) * _BYTES_PER_PIXEL * step
            except ImageError:
                continue  # said where the image is asked for
            if left < 0:
                return False
        return self._budget_bytes > 0


def _automatic_budget() -> int:
    processes = max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    return free_memory_bytes() // 4 // processes
