"""Light to a photograph: exposure, lens, sensor noise, JPEG."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageFilter

from finetune.data.bundled.camera import HEIGHT_PX, WIDTH_PX
from finetune.data.bundled.frames import Array
from finetune.data.bundled.surface import GREY_OF_LIGHT


def photographed(light: Array, rng: np.random.Generator) -> bytes:
    """A JPEG file of `light` (rows, columns, 3), as a telephone might take it.

    Args:
        light: 0 is dark, about 1 is a white thing in full light.
    """
    tint = np.array([1 + rng.uniform(-0.1, 0.1), 1.0, 1 + rng.uniform(-0.14, 0.14)])
    exposed = light * (tint * 2.0 ** rng.uniform(-0.5, 0.9)).astype(np.float32) * _vignette(rng.uniform(0.1, 0.5))
    # A shoulder instead of a cut: bright parts lose their colour slowly, as film and telephones do.
    shouldered = exposed * (1 + exposed * np.float32(0.35)) / (1 + exposed)
    steps = np.clip(shouldered * np.float32(4095 * 1.25), 0, 4095).astype(np.int32)
    picture = Image.fromarray(GREY_OF_LIGHT[steps])
    blur = rng.choice([0.0, 0.0, 0.5, 0.8, 1.3])
    if blur:
        picture = picture.filter(ImageFilter.GaussianBlur(float(blur)))
    noisy = np.asarray(picture).astype(np.int16) + _noise(rng, rng.uniform(1.0, 6.0))
    file = io.BytesIO()
    finished = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    finished.save(file, "JPEG", quality=int(rng.integers(62, 94)), subsampling=2)
    return file.getvalue()


def _vignette(depth: float) -> Array:
    """Falling off towards the corners, (rows, columns, 1)."""
    x = (np.arange(WIDTH_PX, dtype=np.float32) / WIDTH_PX - 0.5)[None, :]
    y = (np.arange(HEIGHT_PX, dtype=np.float32) / HEIGHT_PX - 0.5)[:, None]
    return (1 - np.float32(depth) * (x * x + y * y) * 2)[..., None]


def _noise(rng: np.random.Generator, strength: float) -> Array:
    """Grain (rows, columns, 3) of about `strength` grey levels: the same in all colours, and a little in each."""
    grain = rng.integers(-128, 128, (HEIGHT_PX, WIDTH_PX, 1), dtype=np.int16)
    coloured = rng.integers(-128, 128, (HEIGHT_PX, WIDTH_PX, 3), dtype=np.int16)
    scale = np.int16(max(1, round(256 * strength / 128)))
    return ((grain + (coloured >> 1)) * scale) >> 8
