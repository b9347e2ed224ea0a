"""Where a vision transformer looked: attention rollout."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

TOKENS = {"vit": ("class token",), "deit": ("class token", "distillation token")}
"""By model type, what stands before the patches. The logits are read from each of them, or from their mean."""


def looks(model: PreTrainedModel) -> bool:
    """Whether there is a rollout of this architecture: one row of blocks over one grid of patches."""
    return model.config.model_type in TOKENS


@torch.inference_mode()
def attention_rollout(model: PreTrainedModel, pixel_values: torch.Tensor) -> dict[str, np.ndarray]:
    """How much each patch reached each of the tokens that the logits are read from.

    Attention is averaged over the heads; half of it is replaced by the identity, for the branch that skips it; the
    blocks are multiplied from the first to the last.

    Args:
        model: A ViT or DeiT, in evaluation mode.
        pixel_values: (images, 3, size, size), as the model takes them.
    Returns:
        By token, (images, rows, columns) of shares that are 1 in sum.
    Source: Abnar and Zuidema, "Quantifying Attention Flow in Transformers" (2020), section 4; with the tokens' own
        share left out.
    """
    tokens = TOKENS[model.config.model_type]
    with _eager(model):
        attentions: tuple[torch.Tensor, ...] = model(pixel_values=pixel_values, output_attentions=True).attentions
    reached = torch.eye(attentions[0].shape[-1], device=pixel_values.device)
    for block in attentions:
        mixed = (block.float().mean(dim=1) + torch.eye(block.shape[-1], device=block.device)) / 2
        reached = mixed @ reached
    patches = reached[:, : len(tokens), len(tokens) :]
    side = math.isqrt(patches.shape[-1])
    shares = (patches / patches.sum(dim=-1, keepdim=True)).cpu().numpy().reshape(-1, len(tokens), side, side)
    return {token: shares[:, place] for place, token in enumerate(tokens)}


@contextmanager
def _eager(model: PreTrainedModel) -> Iterator[None]:
    """Attention that can be read; fused kernels do not write it down."""
    config: Any = model.config
    before = config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)
