"""Logits of a whole split, by all processes together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.distributed as dist
from PIL import Image

from finetune.predict import Images, Precision, score, whole_batches
from finetune.predict.scoring import Pixels
from finetune.training.hardware import Hardware


class Share:
    """Some images out of many, in a given order."""

    def __init__(self, images: Images, part: Sequence[int]) -> None:
        self.images, self.part = images, part

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, index: int, /) -> Image.Image:
        return self.images[self.part[index]]


def score_together(
    model: torch.nn.Module,
    images: Images,
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
