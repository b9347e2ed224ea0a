"""Logits of a whole split, by all processes together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from threading import Lock

import numpy as np
import torch
import torch.distributed as dist
from PIL import Image

from finetune.data import DecodedImages
from finetune.predict import Precision, score, whole_batches
from finetune.predict.scoring import Pixels
from finetune.training.hardware import Hardware

_BLOCK = 64
_BLOCKS_KEPT = 4  # threads work on neighbours: they are never further apart


class Share:
    """Some images out of many, in the order in which they will be asked for.

    Images that formulas make are drawn a block at a time: one by one they take three times as long.
    """

    def __init__(self, images: DecodedImages, part: Sequence[int]) -> None:
        self.images, self.part = images, part
        self._block = lru_cache(_BLOCKS_KEPT)(self._drawn)
        self._drawing = Lock()

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, index: int, /) -> Image.Image:
        number = self.part[index]
        with self._drawing:  # threads ask for images of the same block
            drawn = self._block(index // _BLOCK)
        return drawn.get(number) or self.images[number]

    def _drawn(self, block: int) -> dict[int, Image.Image]:
        return self.images.drawn(self.part[block * _BLOCK : (block + 1) * _BLOCK])


def score_together(
    model: torch.nn.Module,
    images: DecodedImages,
    pixels: Pixels,
    hardware: Hardware,
    *,
    batch_size: int,
    device: torch.device,
    precision: Precision,
    flip: bool = False,
) -> np.ndarray:
    """Logits of all images, in every process.

    Arguments are as of `finetune.predict.score`. Each process makes some of the very passes that one process would
    make, so the result is the same to the last bit. All make equally many, some perhaps in vain: where weights are
    sharded, a pass needs every process.

    Returns:
        (images, classes) float32.
    """
    parts = [whole_batches(len(images), batch_size, rank, hardware.processes) for rank in range(hardware.processes)]
    mine, longest = parts[hardware.rank], max(len(part) for part in parts)
    share = Share(images, [*mine, *[0] * (longest - len(mine))])
    logits = score(model, share, pixels, batch_size=batch_size, device=device, precision=precision, flip=flip)
    if hardware.processes == 1:
        return logits
    everyone = [torch.empty(logits.shape, device=device) for _ in parts]
    dist.all_gather(everyone, torch.from_numpy(logits).to(device))
    return torch.cat([rows[: len(part)] for rows, part in zip(everyone, parts, strict=True)]).cpu().numpy()
