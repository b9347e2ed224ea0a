"""What it costs to look at images: verification with and without a glance at each, and the search among glances.

    python tests/benchmarks/check_speed.py [--images 1000] [--glances 100000]

The drawn fridge objects (499 × 666 JPEG), linked until there are so many, verified in threads as `check` does; then
glances that were drawn at random, whose hashes have the correlated bits of pictures, and such that are all nearly the
same picture. Memory is the process's peak, of which 60 MB are there before.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from finetune.data.bundled import bundled_root
from finetune.data.rows import Rows
from finetune.data.sight.glance import GLANCE
from finetune.data.sight.near import near_pairs
from finetune.data.sight.outliers import outliers
from finetune.data.verify import verify_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--glances", type=int, default=100_000)
    options = parser.parse_args()
    files = sorted(bundled_root("fridge-objects").rglob("*.jpg"))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DEIT_FINETUNE_CACHE"] = folder
        rows = linked(files, options.images, Path(folder))
        verify_rows(rows.take(range(64)), "warm", look=True)
        for name, look in (("verified", False), ("verified and looked at", True), ("remembered", True)):
            start = time.perf_counter()
            verify_rows(rows, "here", look)
            print(f"{name:24} {len(rows) / (time.perf_counter() - start):8.0f} images/s")
    for name, items in (("different", different(options.glances)), ("one scene", of_one_scene(options.glances))):
        start = time.perf_counter()
        pairs = len(near_pairs(items))
        searched = time.perf_counter()
        outliers(items, [499] * len(items), [666] * len(items))
        print(
            f"{len(items):,} glances, {name}: near duplicates {searched - start:.1f} s ({pairs:,} pairs), "
            f"outliers {time.perf_counter() - searched:.1f} s, "
            f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB"
        )


def linked(files: list[Path], count: int, folder: Path) -> Rows:
    paths = []
    for number, file in zip(range(count), itertools.cycle(files), strict=False):
        paths.append(str(folder / f"{number}.jpg"))
        os.symlink(file, paths[-1])
    return Rows(paths=paths, names=paths, labels=[("a",)] * count)


def different(count: int) -> np.ndarray:
    draws = np.random.default_rng(0)
    items = plausible(count, draws)
    strengths = 0.35 * draws.normal(size=(count, 8)) @ draws.normal(size=(8, 64)) + draws.normal(size=(count, 64))
    bits = strengths > np.median(strengths, axis=1, keepdims=True)
    items["hash"] = np.packbits(bits, axis=1).view(">u8")[:, 0]
    items["thumbnail"] = draws.integers(0, 255, (count, 8, 8, 3), np.uint8)
    return items


def of_one_scene(count: int) -> np.ndarray:
    """A camera that does not move: one bit of the hash and a few grey levels differ."""
    draws = np.random.default_rng(0)
    items = plausible(count, draws)
    items["hash"] = np.uint64(2**63) ^ (np.uint64(1) << draws.integers(0, 64, count, np.uint64))
    items["thumbnail"] = draws.integers(0, 240, (8, 8, 3)) + draws.integers(0, 9, (count, 8, 8, 3), np.uint8)
    return items


def plausible(count: int, draws: np.random.Generator) -> np.ndarray:
    items = np.zeros(count, GLANCE)
    for name in ("contrast", "chroma", "highlights", "shadows"):
        items[name] = draws.normal(80, 10, count)
    items["detail"] = draws.normal(-2, 0.5, count)
    return items


if __name__ == "__main__":
    main()
