"""A few numbers on the device: copied once, because a copy in every step would make the host wait for the device."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@lru_cache(maxsize=64)
def on_device(numbers: tuple[float, ...], device: torch.device) -> torch.Tensor:
    """(n,) float32; shared, so not to be changed in place.

    >>> import torch
    >>> on_device((0.5, 0.25), torch.device("cpu")).tolist()
    [0.5, 0.25]
    """
    import torch

    with torch.inference_mode(False):  # a tensor of inference mode could never be trained with
        return torch.tensor(numbers, dtype=torch.float32, device=device)
