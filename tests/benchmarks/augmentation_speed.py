"""Milliseconds an image of everything after the crop: 224 px, batch 16, one thread, the thread's own time.

OMP_NUM_THREADS=1 python tests/benchmarks/augmentation_speed.py
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from finetune.pixels import PixelPipeline
from finetune.pixels.augmentation import colour, erasing, filters, jitter, mixing, rand_augment
from finetune.pixels.augmentation.device import DeviceAugmentation
from finetune.pixels.augmentation.draws import draw_numbers
from finetune.recipe.augmentation import PRESETS

IMAGES, SIDE, BATCHES = 16, 224, 20
PIXELS = PixelPipeline("shortest_edge", 256, SIDE, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
LEVELS = torch.randint(0, 256, (IMAGES, 3, SIDE, SIDE), dtype=torch.uint8)
FLOATS = LEVELS.float() / 255
MEAN, STD = torch.tensor(PIXELS.mean), torch.tensor(PIXELS.std)
EVERYONE = torch.ones(IMAGES, dtype=torch.bool)
STRENGTHS = {"Rotate": 20.0, "Posterize": 2.0, "Solarize": 100.0, "SolarizeAdd": 80.0}


def milliseconds(call: Callable[[], Any], times: int = 10) -> float:
    """Of one image: the best of several calls, after one that is not counted."""
    call()
    best = float("inf")
    for _ in range(times):
        start = time.thread_time()
        call()
        best = min(best, time.thread_time() - start)
    return 1000 * best / IMAGES


def operations() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Everything alone, on all images of a batch."""
    for name in rand_augment.OPERATIONS:
        group = rand_augment.Group(name, np.arange(IMAGES), np.full(IMAGES, STRENGTHS.get(name, 0.3)))
        yield name, lambda group=group: rand_augment.apply_groups(LEVELS, [group], 255 * MEAN)
    draws = np.random.default_rng(0).random((IMAGES, 59)).astype(np.float32)
    yield "grey", lambda: colour.grey_of(LEVELS)
    yield "blur", lambda: filters.gaussian_blur(LEVELS, torch.linspace(0.1, 2.0, IMAGES))
    yield "jitter", lambda: jitter.jitter(FLOATS.clone(), torch.ones(IMAGES, 3), np.arange(IMAGES) % 6)
    yield "erasing", lambda: erasing.erase(FLOATS.clone(), draws, 1.0, (0.02, 1 / 3), MEAN, STD)
    yield "mixup", lambda: mixing.mix_pixels(FLOATS, mixing.Mix(0.6), EVERYONE)
    yield "cutmix", lambda: mixing.mix_pixels(FLOATS.clone(), mixing.Mix(0.6, (20, 20, 160, 160)), EVERYONE)


def preset(name: str) -> list[float]:
    """Of each of several batches, as they are drawn."""
    augmentation = PRESETS[name]
    vary, found = DeviceAugmentation(augmentation, PIXELS, 10), []
    for epoch in range(BATCHES):
        draws = np.stack([draw_numbers(augmentation, np.random.default_rng([epoch, i])) for i in range(IMAGES)])
        batch = {"pixels": LEVELS, "targets": torch.arange(IMAGES) % 10, "weights": torch.ones(IMAGES), "draws": draws}
        found.append(milliseconds(lambda batch=batch: vary(batch), 3))
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    for operation, call in operations():
        print(f"{operation:15s}{milliseconds(call):6.2f}")
    for name in ("deit", "three_augment"):
        per_batch = preset(name)
        print(f"preset {name}: mean {np.mean(per_batch):.2f}, slowest batch {max(per_batch):.2f}")
