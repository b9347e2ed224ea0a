"""Light to a photograph: exposure, lens, sensor noise, JPEG."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageFilter

from finetune.data.bundled.fridge.camera import HEIGHT_PX, WIDTH_PX
from finetune.data.bundled.fridge.frames import Array

_STEPS_TO_WHITE = 8192


def _shouldered(light: float) -> float:
    """Bright parts lose their colour slowly, instead of being cut, as in film and telephones."""
    return min(1.0, 1.25 * light * (1 + 0.35 * light) / (1 + light))


_GREY_OF_STEP = np.array(
    [round(255 * _shouldered(step / _STEPS_TO_WHITE) ** (1 / 2.2)) for step in range(4 * _STEPS_TO_WHITE)], np.uint8
)


def photographed(light: Array, rng: np.random.Generator) -> bytes:
    """A JPEG file of `light` (3, rows, columns), as a telephone might take it.

    Args:
        light: 0 is dark, about 1 is a white thing in full light.
    """
    tint = np.array([1 + rng.uniform(-0.1, 0.1), 1.0, 1 + rng.uniform(-0.14, 0.14)])
    exposure = (tint * 2.0 ** rng.uniform(-0.5, 0.9) * _STEPS_TO_WHITE).astype(np.float32)
    steps = light * (_vignette(rng.uniform(0.1, 0.5)) * exposure[:, None, None])
    np.minimum(steps, len(_GREY_OF_STEP) - 1, out=steps)
    grey = _GREY_OF_STEP[steps.astype(np.uint16)]
    picture = Image.merge("RGB", [Image.fromarray(plane) for plane in grey])
    blur = float(rng.choice([0.0, 0.0, 0.5, 0.8, 1.3]))
    if blur:
        picture = picture.filter(ImageFilter.GaussianBlur(blur))
    noisy = np.asarray(picture).astype(np.int16)
    noisy += _noise(rng, rng.uniform(1.0, 6.0))
    file = io.BytesIO()
    finished = Image.fromarray(np.clip(noisy, 0, 255, out=noisy).astype(np.uint8))
    finished.save(file, "JPEG", quality=int(rng.integers(62, 94)), subsampling=2)
    return file.getvalue()


def _vignette(depth: float) -> Array:
    """Falling off towards the corners, (rows, columns)."""
    x = (np.arange(WIDTH_PX, dtype=np.float32) / WIDTH_PX - 0.5)[None, :]
    y = (np.arange(HEIGHT_PX, dtype=np.float32) / HEIGHT_PX - 0.5)[:, None]
    return np.asarray(1 - depth * 2 * (x * x + y * y))


def _noise(rng: np.random.Generator, strength: float) -> Array:
    """Grain (rows, columns, 3) of about `strength` grey levels: the same in all colours, and a little in each."""
    grain = rng.integers(-128, 128, (HEIGHT_PX, WIDTH_PX, 1), dtype=np.int16)
    coloured = rng.integers(-128, 128, (HEIGHT_PX, WIDTH_PX, 3), dtype=np.int16)
    scale = np.int16(max(1, round(256 * strength / 128)))
    return ((grain + (coloured >> 1)) * scale) >> 8
