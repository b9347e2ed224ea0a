"""A tiny ViT with two blocks, its pixels, and a few noisy images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from finetune.model.saved import LoadedModel
from finetune.pixels import PixelPipeline

NAMES = ("can", "carton", "milk_bottle")
PIXELS = PixelPipeline("squash", 32, None, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.fixture
def make_model(draw_model):
    """A function that builds the tiny model for a problem type, drawn from a fixed seed."""

    def make(problem_type: str = "single_label_classification", **changes) -> LoadedModel:
        loaded = draw_model(NAMES, pixels=PIXELS, **changes)
        loaded.model.config.problem_type = problem_type
        return loaded

    return make


@pytest.fixture
def loaded(make_model) -> LoadedModel:
    return make_model()


@pytest.fixture
def images() -> list[Image.Image]:
    """Eleven images of noise and of different sizes."""
    noise = np.random.default_rng(0)
    return [Image.fromarray(noise.integers(0, 256, (30 + i, 40, 3), dtype=np.uint8)) for i in range(11)]
