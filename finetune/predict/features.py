"""Features: the vectors that a classifier's heads turn into logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from finetune.errors import CheckpointError
from finetune.model.head import find_heads
from finetune.predict.scoring import Images, Precision, score

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from finetune.pixels import PixelPipeline


def encode(
    model: PreTrainedModel,
    images: Images,
    pixels: PixelPipeline,
    *,
    batch_size: int,
    device: torch.device | str,
    precision: Precision = "fp32",
) -> dict[str, np.ndarray]:
    """What goes into each head, by the forward pass of `score`.

    Args:
        model, images, pixels, batch_size, device, precision: As of `score`. All features are held at once: hand
            over a large data set in pieces of whole batches.
    Returns:
        Name of the head to (images, width) float32: one for most models, of a distilled DeiT one that was its class
        token and one that was its distillation token.
    Raises:
        CheckpointError: a head takes something else than one vector an image, or the logits are not the mean of
            what the heads give.
    """
    heads = find_heads(model)
    with _inputs_of(heads) as caught:
        logits = score(model, images, pixels, batch_size=batch_size, device=device, precision=precision)
    features = {name: _rows(model, name, batches)[: len(images)] for name, batches in caught.items()}
    again = logits_of(model, features, batch_size=batch_size, device=device, precision=precision)
    if np.abs(again - logits).max(initial=0.0) > 0.05 * np.abs(logits).max(initial=0.0) + 1e-3:
        raise CheckpointError(
            f"{type(model).__name__}: its logits are not what {' and '.join(heads)} make of their input, so no head "
            "can be fitted on features alone; use model.train: head"
        )
    return features


def logits_of(
    model: PreTrainedModel,
    features: dict[str, np.ndarray],
    *,
    batch_size: int,
    device: torch.device | str,
    precision: Precision = "fp32",
) -> np.ndarray:
    """Logits that the model's heads give for features: what `score` gives for their images, to rounding.

    Args:
        model: On ``device``, with the heads that ``features`` are named by.
        features: Name of the head to (images, width) float32; may be memory-mapped.
        batch_size, device, precision: As of `score`.
    Returns:
        (images, classes) float32; of two heads the mean.
    """
    heads = find_heads(model)
    images = len(next(iter(features.values())))
    logits = np.empty((images, next(iter(heads.values())).out_features), dtype=np.float32)
    arithmetic = torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=precision == "bf16")
    with torch.inference_mode(), arithmetic:
        for start in range(0, images, batch_size):
            rows = slice(start, min(start + batch_size, images))
            each = [head(_filled(features[name][rows], batch_size).to(device)) for name, head in heads.items()]
            logits[rows] = torch.stack(each).mean(dim=0)[: rows.stop - start].float().cpu().numpy()
    return logits


@contextmanager
def _inputs_of(heads: dict[str, nn.Linear]) -> Iterator[dict[str, list[torch.Tensor]]]:
    """Everything that goes into the heads meanwhile, copied: a class token alone, without the tokens around it."""
    caught: dict[str, list[torch.Tensor]] = {name: [] for name in heads}

    def catch(batches: list[torch.Tensor]) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        return lambda _, inputs: batches.append(inputs[0].detach().float().clone())

    hooks = [head.register_forward_pre_hook(catch(caught[name])) for name, head in heads.items()]
    try:
        yield caught
    finally:
        for hook in hooks:
            hook.remove()


def _rows(model: nn.Module, head: str, batches: list[torch.Tensor]) -> np.ndarray:
    if not batches or batches[0].ndim != 2:
        shape = tuple(batches[0].shape) if batches else "nothing"
        raise CheckpointError(
            f"{type(model).__name__}: {head} takes {shape} where (images, width) was expected, so an image has no "
            "single vector of features; use model.train: head"
        )
    return torch.cat(batches).cpu().numpy()


def _filled(rows: np.ndarray, batch_size: int) -> torch.Tensor:
    """The rows, and zeros up to a whole batch: every product has the same shape, as in `score`."""
    batch = torch.zeros((batch_size, rows.shape[1]))
    batch[: len(rows)] = torch.from_numpy(np.array(rows))
    return batch
