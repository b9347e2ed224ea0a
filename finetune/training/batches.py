"""Training images in batches: the same images, in the same order, varied in the same way, wherever they are made.

A batch is divided here and not by Accelerate, so that it holds the same images however many processes and
accumulation steps share it, and so that every image counts exactly once in an epoch that does not divide.
What varies an image is seeded by (run seed, epoch, image, copy): workers, resuming and processes change nothing.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Sampler

from finetune.data.decoded import DecodedImages
from finetune.pixels import TrainingCrop
from finetune.pixels.augmentation.draws import draw_numbers


class Draw(NamedTuple):
    """One image of one epoch, the ``copy``-th time that it comes; weight 0 marks padding that no loss counts."""

    epoch: int
    image: int
    copy: int
    weight: float


class GlobalBatches(Sampler[list[Draw]]):
    """This process's pieces of every batch.

    Args:
        images: Number of training images.
        batch_size: Images per optimiser step, over all processes and accumulation steps.
        accumulation_steps: Pieces per process and batch.
        rank, processes: This process and their number.
        seed: Seeds the order, anew for each epoch.
        repeats: How often an image comes in an epoch, one after the other (repeated augmentation, Hoffer et al.,
            2020); the epoch keeps its length.
        chances: (images,) chance of each image, to draw with replacement; None takes every image once.

    >>> [[draw.image for draw in piece] for piece in GlobalBatches(3, 2, seed=0)]
    [[2, 0], [1]]
    """

    def __init__(
        self,
        images: int,
        batch_size: int,
        accumulation_steps: int = 1,
        rank: int = 0,
        processes: int = 1,
        seed: int = 0,
        repeats: int = 1,
        chances: np.ndarray | None = None,
    ) -> None:
        self.repeats, self.chances = repeats, chances
        self.images, self.batch_size, self.accumulation_steps = images, batch_size, accumulation_steps
        self.rank, self.processes, self.seed, self.epoch = rank, processes, seed, 0

    @property
    def steps(self) -> int:
        """Optimiser steps in an epoch; the last one may hold fewer images."""
        return -(-self.images // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is drawn next. Called by the Trainer."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps * self.accumulation_steps

    def __iter__(self) -> Iterator[list[Draw]]:
        order = self._order(np.random.default_rng([self.seed, self.epoch]))
        copies = occurrences(order)
        for step in range(self.steps):
            batch = np.arange(step * self.batch_size, min(self.images, (step + 1) * self.batch_size))
            pieces = self.processes * self.accumulation_steps
            for number in range(self.rank, pieces, self.processes):
                piece = batch[number::pieces]  # dealt out, so that an image's copies come into different pieces
                # every process must take part in every step
                places, weight = (piece, 1.0) if len(piece) else (batch[:1], 0.0)
                yield [Draw(self.epoch, int(order[at]), int(copies[at]), weight) for at in places]

    def _order(self, rng: np.random.Generator) -> np.ndarray:
        if self.chances is None:
            different = rng.permutation(self.images)
        else:
            different = rng.choice(self.images, size=self.images, p=self.chances / self.chances.sum())
        return np.repeat(different, self.repeats)[: self.images]


def occurrences(order: np.ndarray) -> np.ndarray:
    """How often each element came before.

    >>> occurrences(np.array([7, 3, 7, 7, 3])).tolist()
    [0, 0, 1, 2, 1]
    """
    by_value = np.argsort(order, kind="stable")
    ordered = order[by_value]
    first = np.searchsorted(ordered, ordered)
    counts = np.empty(len(order), dtype=np.int64)
    counts[by_value] = np.arange(len(order)) - first
    return counts


class TrainingImages(Dataset[dict[str, Any]]):
    """Cropped and flipped training images with their targets.

    Args:
        images: Decoded images.
        targets: (images,) class ids, or (images, classes) with 1, 0 and -1 for unknown.
        crop: Varies one image.
        seed: The run's seed.
    """

    def __init__(self, images: DecodedImages, targets: np.ndarray, crop: TrainingCrop, seed: int) -> None:
        self.images, self.targets, self.crop, self.seed = images, targets, crop, seed

    def __len__(self) -> int:
        return len(self.images)

    def __getitems__(self, draws: Sequence[Draw]) -> dict[str, Any]:
        """A batch.

        Returns:
            ``pixels`` (n, 3, H, W) uint8, ``targets``, ``weights`` (n,) float32, ``images`` (n,) int64; and ``draws``
            (n, columns) float32 in [0, 1), by which the device varies the images further: of numpy, so that the
            Trainer leaves it on the host.
        """
        drawn = self.images.drawn([draw.image for draw in draws])
        pixels, numbers = (np.stack(parts) for parts in zip(*self._map(draws, drawn), strict=True))
        return {
            "pixels": torch.from_numpy(pixels),
            "targets": torch.from_numpy(self.targets[[draw.image for draw in draws]]),
            "weights": torch.tensor([draw.weight for draw in draws], dtype=torch.float32),
            "images": torch.tensor([draw.image for draw in draws], dtype=torch.int64),
            "draws": numbers,
        }

    def _varied(self, draw: Draw, image: Image.Image | None) -> tuple[np.ndarray, np.ndarray]:
        """The pixels of one image, and the numbers for what follows the crop."""
        rng = np.random.default_rng([self.seed, draw.epoch, draw.image, draw.copy])
        return self.crop(image or self.images[draw.image], rng), draw_numbers(self.crop.augmentation, rng)

    def _map(self, draws: Sequence[Draw], drawn: Mapping[int, Image.Image]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        images = [drawn.get(draw.image) for draw in draws]
        if torch.utils.data.get_worker_info() is not None:  # the workers are the parallelism
            return map(self._varied, draws, images)
        return _threads().map(self._varied, draws, images)


class EpochLoader(DataLoader[dict[str, Any]]):
    """A DataLoader that tells its batch sampler which epoch it is."""

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer at the start of an epoch."""
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]


def training_loader(images: TrainingImages, batches: GlobalBatches, workers: int, pin_memory: bool) -> EpochLoader:
    """Batches for this process, made by threads (workers 0) or worker processes."""
    return EpochLoader(
        images,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_as_it_is,  # batches come whole from __getitems__
        pin_memory=pin_memory,
        prefetch_factor=4 if workers else None,
    )


def choose_workers(wanted: int | str, all_kept: bool, device_type: str) -> int:
    """Loader processes for ``data.workers``; auto takes up to 8 idle cores for images decoded anew.

    A step on the CPU computes on as many cores as torch has threads. Loader processes beside them make every thread
    wait for the one that was put aside, which costs more than decoding between the steps.

    Args:
        wanted: A number is taken as it is.
        all_kept: Whether images stay decoded in memory.
        device_type: Where the model is: cpu, cuda, …
    """
    if isinstance(wanted, int):
        return wanted
    computing = torch.get_num_threads() if device_type == "cpu" else 0
    return 0 if all_kept else min(8, max(0, _cores() - computing))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _as_it_is(batch: Any) -> Any:
    return batch


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Threads for cropping: Pillow releases the interpreter lock while it resizes."""
    return ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1), thread_name_prefix="crop")
