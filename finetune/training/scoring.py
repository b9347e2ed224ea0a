"""Logits of a whole split, by all processes together."""

from __future__ import annotations

import numpy as np
import torch
import torch.distributed as dist
from PIL import Image

from finetune.pixels import PixelPipeline
from finetune.predict import Images, Precision, score
from finetune.training.hardware import Hardware


class Share:
    """Every ``processes``-th image from ``rank`` on, filled up with the last so that all shares are equally long."""

    def __init__(self, images: Images, hardware: Hardware) -> None:
        self.images, self.rank, self.processes = images, hardware.rank, hardware.processes

    def __len__(self) -> int:
        return -(-len(self.images) // self.processes)

    def __getitem__(self, index: int, /) -> Image.Image:
        return self.images[min(index * self.processes + self.rank, len(self.images) - 1)]


def score_together(
    model: torch.nn.Module,
    images: Images,
    pixels: PixelPipeline,
    hardware: Hardware,
    *,
    batch_size: int,
    device: torch.device,
    precision: Precision,
) -> np.ndarray:
    """Logits of all images, in every process.

    Each process scores its share in passes of the same size, so the result is that of one process to the last bit.

    Returns:
        (images, classes) float32.
    """
    share = Share(images, hardware)
    logits = score(model, share, pixels, batch_size=batch_size, device=device, precision=precision)
    if hardware.processes == 1:
        return logits
    mine = torch.from_numpy(logits).to(device)
    everyone = [torch.empty_like(mine) for _ in range(hardware.processes)]
    dist.all_gather(everyone, mine)
    together = torch.stack(everyone, dim=1).flatten(0, 1)  # row = index * processes + rank
    return together[: len(images)].cpu().numpy()
