"""The forward pass that evaluation during training, final metrics and prediction share."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, Literal, Protocol

import numpy as np
import torch
from PIL import Image

Precision = Literal["fp32", "bf16"]
Forward = Callable[[torch.Tensor], torch.Tensor]
"""(images, 3, height, width) uint8 on the CPU, as the pipeline crops them, to (images, classes) logits."""
_BATCHES_AHEAD = 2


class Images(Protocol):
    """Anything with a length and decoded images by number; it is read from threads."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Image.Image: ...


class Pixels(Protocol):
    """How images become a model's input: its ``PixelPipeline``, or what stands in for it."""

    def to_uint8(self, image: Image.Image) -> np.ndarray: ...
    def normalise(self, batch: torch.Tensor) -> torch.Tensor: ...


def score(
    model: torch.nn.Module,
    images: Images,
    pixels: Pixels,
    *,
    batch_size: int,
    device: torch.device | str,
    precision: Precision = "fp32",
    flip: bool = False,
    on_batch: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Logits of images, in their order.

    Images are decoded and resized in threads, up to two batches ahead of the forward pass. Every pass has
    ``batch_size`` rows, the last one filled up with black images, so that an image's logits do not depend on
    how many others come with it. Processes that share a split take `whole_batches` of it each: then they make
    the very passes that one process would, and agree with it to the last bit. (Divided otherwise, a CPU's
    kernel for products as small as 8 rows by 3 classes may round a row by its place in the batch.)

    Args:
        model: An image classifier of transformers, on ``device`` and not wrapped for several processes. It is
            put in evaluation mode, and back.
        images: Decoded images, ``len(images)`` and ``images[i]``.
        pixels: The model's evaluation pipeline.
        batch_size: Images per forward pass.
        device: Where the model is.
        precision: ``bf16`` computes under autocast. ``fp32`` is fp32 also for a model that Accelerate has
            prepared for another precision.
        flip: Take the mean of the logits of an image, as it comes out of the pipeline, and of its mirror image:
            twice the work.
        on_batch: Called after each pass with the number of images in it.
    Returns:
        (images, classes) float32. A model with two heads gives the mean of their logits.
    Raises:
        Whatever ``images[i]`` raises.
    """
    device = torch.device(device)
    with forward_of(model, pixels, device, precision=precision, flip=flip) as forward:
        rows = list(passes(forward, images, pixels, batch_size, device, on_batch))
    return np.concatenate(rows) if rows else _no_rows(model)


@contextmanager
def forward_of(
    model: torch.nn.Module, pixels: Pixels, device: torch.device, *, precision: Precision = "fp32", flip: bool = False
) -> Iterator[Forward]:
    """A model's forward pass, for as long as the model is in evaluation mode; arguments as of `score`."""

    def forward(batch: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), _arithmetic(device, precision):
            return _logits(model, pixels.normalise(batch.to(device, non_blocking=True)), flip)

    with _evaluating(model), _own_forward(model):
        yield forward


def passes(
    forward: Forward,
    images: Images,
    pixels: Pixels,
    batch_size: int,
    device: torch.device,
    on_batch: Callable[[int], None] | None = None,
) -> Generator[np.ndarray, None, None]:
    """The logits of each pass, (images, classes), as they come; arguments as of `score`."""
    waiting: torch.Tensor | None = None  # one pass behind, so that a GPU computes while the next batch is put together
    with closing(_batches(images, pixels, batch_size, pin_memory=device.type == "cuda")) as batches:
        for count, batch in batches:
            logits = forward(batch)[:count]
            if waiting is not None:
                yield _numbers(waiting)
            waiting = logits
            if on_batch is not None:
                on_batch(count)
    if waiting is not None:
        yield _numbers(waiting)


def _numbers(logits: torch.Tensor) -> np.ndarray:
    """float32 of what was computed in half of it; float64 stays."""
    found: np.ndarray = (logits if logits.dtype == torch.float64 else logits.float()).cpu().numpy()
    return found


def _logits(model: torch.nn.Module, pixel_values: torch.Tensor, flip: bool) -> torch.Tensor:
    logits: torch.Tensor = model(pixel_values=pixel_values).logits
    if not flip:
        return logits
    mirrored: torch.Tensor = model(pixel_values=pixel_values.flip(-1)).logits
    return (logits.float() + mirrored.float()) / 2


def whole_batches(count: int, batch_size: int, part: int, parts: int) -> range:
    """The images that process ``part`` of ``parts`` scores: a run of whole batches, in order over the processes.

    >>> [whole_batches(10, 4, part, 2) for part in range(2)]
    [range(0, 8), range(8, 10)]
    """
    batches = -(-count // batch_size)
    first, last = (-(-batches * p // parts) for p in (part, part + 1))
    return range(min(count, first * batch_size), min(count, last * batch_size))


def _batches(
    images: Images, pixels: Pixels, batch_size: int, pin_memory: bool
) -> Generator[tuple[int, torch.Tensor], None, None]:
    """(images in it, uint8 batch filled up to ``batch_size``), prepared ahead in threads."""

    def prepare(index: int) -> np.ndarray:
        return pixels.to_uint8(images[index])

    pool = ThreadPoolExecutor(decoding_threads())
    ahead: deque[list[Future[np.ndarray]]] = deque()
    try:
        for start in range(0, len(images), batch_size):
            ahead.append([pool.submit(prepare, i) for i in range(start, min(start + batch_size, len(images)))])
            if len(ahead) > _BATCHES_AHEAD:
                yield _stacked(ahead.popleft(), batch_size, pin_memory)
        while ahead:
            yield _stacked(ahead.popleft(), batch_size, pin_memory)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _stacked(prepared: Sequence[Future[np.ndarray]], batch_size: int, pin_memory: bool) -> tuple[int, torch.Tensor]:
    batch = torch.zeros((batch_size, *prepared[0].result().shape), dtype=torch.uint8, pin_memory=pin_memory)
    for row, future in enumerate(prepared):
        batch[row] = torch.from_numpy(future.result())
    return len(prepared), batch


def decoding_threads() -> int:
    """One per core that this process may use, at most 8."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, usable)


def _arithmetic(device: torch.device, precision: Precision) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def _no_rows(model: torch.nn.Module) -> np.ndarray:
    config: Any = model.config
    return np.empty((0, config.num_labels), dtype=np.float32)


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode, and afterwards each module's own mode again: a frozen part may have been in it all along."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def _own_forward(model: torch.nn.Module) -> Iterator[None]:
    """Without the forward that Accelerate puts on a model it prepares: that one has the training step's precision."""
    prepared = model.__dict__.pop("forward", None)
    try:
        yield
    finally:
        if prepared is not None:
            model.__dict__["forward"] = prepared
