"""What is remembered of one picture, so that none is decoded twice: 220 bytes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

SIDE_PX = 224  # shorter side at which detail is judged: what most checkpoints see
VERSION = 1  # of what a glance holds; glances of another version are taken again

GLANCE = np.dtype(
    [
        ("hash", "<u8"),  # perceptual hash of 64 bits
        ("thumbnail", "u1", (8, 8, 3)),  # RGB, each the mean of a 64th of the picture
        ("highlights", "<f4"),  # luma in [0, 255] that 1 % of the pixels exceed
        ("shadows", "<f4"),  # luma that 5 % of the pixels do not exceed
        ("contrast", "<f4"),  # standard deviation of the luma, or of the colour channel where that is more
        ("chroma", "<f4"),  # mean difference of a pixel's largest and smallest channel
        ("detail", "<f4"),  # ln(variance of the Laplacian / variance of the luma); -inf for a plain picture
    ]
)
"""One picture in columns of a structured array.

The percentiles are those of cleanvision, which finds dark images by the 99th and light ones by the 5th: a black
background says nothing about the exposure. Variance of the Laplacian: Pech-Pacheco et al., "Diatom autofocusing in
brightfield microscopy", ICPR 2000; divided by the contrast, because a dark sharp picture is not a blurred one.
"""

_SMALL_PX = 32  # side of the picture that colours are read from


def glance(picture: Image.Image) -> bytes:
    """What there is to remember of a picture, as one item of `GLANCE`.

    Args:
        picture: RGB, upright. Only what survives a reduction to `SIDE_PX` matters.

    >>> seen = glances([glance(Image.new("RGB", (300, 400), (200, 0, 0)))])
    >>> seen["thumbnail"][0, 0, 0].tolist(), float(seen["contrast"][0])
    ([200, 0, 0], 0.0)
    """
    grey = _reduced(picture.convert("L"))
    luma = np.asarray(grey, dtype=np.float32)
    variance = float(luma.var())
    counts = np.cumsum(grey.histogram())
    small = np.asarray(picture.resize((_SMALL_PX, _SMALL_PX), Image.Resampling.BOX), dtype=np.float32)
    item = np.zeros(1, GLANCE)
    item["hash"] = _hash(grey)
    item["thumbnail"] = np.rint(small.reshape(8, 4, 8, 4, 3).mean((1, 3)))
    item["highlights"], item["shadows"] = np.searchsorted(counts, [0.99 * counts[-1], 0.05 * counts[-1]])
    item["contrast"] = max(np.sqrt(variance), small.std((0, 1)).max())  # red on a green as bright is not plain
    item["chroma"] = (small.max(2) - small.min(2)).mean()
    item["detail"] = _detail(luma, variance)
    return item.tobytes()


def glances(items: Sequence[bytes]) -> np.ndarray:
    """(images,) of `GLANCE`."""
    return np.frombuffer(b"".join(items), GLANCE)


def _reduced(grey: Image.Image) -> Image.Image:
    scale = SIDE_PX / min(grey.size)
    if scale >= 1:
        return grey
    size = max(SIDE_PX, round(grey.width * scale)), max(SIDE_PX, round(grey.height * scale))
    return grey.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def _hash(grey: Image.Image) -> int:
    """ImageHash's phash, the first bit of the first row highest.

    ImageHash and not cleanvision, which builds on it: cleanvision opens files itself (so everything would be decoded
    twice, by another decoder), stops at the first file that cannot be read, and takes only equal hashes for near
    duplicates, which misses a JPEG of quality 50. ImageHash gives distances, and hashes pictures that are in memory.
    """
    bits = _phash()(grey).hash
    return int(np.packbits(bits.ravel()).view(">u8")[0])


@functools.cache
def _phash() -> Callable[[Image.Image], Any]:
    """Slow to import: it brings PyWavelets and scipy, which a training run does not need for its images."""
    import imagehash

    hashed: Callable[[Image.Image], Any] = imagehash.phash
    return hashed


def _detail(luma: np.ndarray, variance: float) -> float:
    if min(luma.shape) < 3 or variance == 0:
        return -np.inf
    laplacian = 4 * luma[1:-1, 1:-1]
    for neighbour in (luma[:-2, 1:-1], luma[2:, 1:-1], luma[1:-1, :-2], luma[1:-1, 2:]):
        laplacian -= neighbour
    return float(np.log(max(float(laplacian.var()), 1e-6) / variance))
