"""A tiny ViT with two blocks, its pixels, and a few noisy images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ViTConfig, ViTForImageClassification

from finetune.model.saved import LoadedModel
from finetune.pixels import PixelPipeline

NAMES = ("can", "carton", "milk_bottle")


@pytest.fixture
def make_model():
    """A function that builds the tiny model for a problem type, drawn from a fixed seed."""

    def make(problem_type: str = "single_label_classification", **changes) -> LoadedModel:
        shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        config = ViTConfig(
            **{**shape, **changes},
            image_size=32,
            patch_size=8,
            problem_type=problem_type,
            id2label=dict(enumerate(NAMES)),
            label2id={name: i for i, name in enumerate(NAMES)},
        )
        torch.manual_seed(0)
        model = ViTForImageClassification(config).eval()
        for parameter in model.parameters():  # larger than at the start of training, so that images differ
            torch.nn.init.normal_(parameter, std=0.3)
        return LoadedModel(model, PixelPipeline("squash", 32, None, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)))

    return make


@pytest.fixture
def loaded(make_model) -> LoadedModel:
    return make_model()


@pytest.fixture
def images() -> list[Image.Image]:
    """Eleven images of noise and of different sizes."""
    noise = np.random.default_rng(0)
    return [Image.fromarray(noise.integers(0, 256, (30 + i, 40, 3), dtype=np.uint8)) for i in range(11)]
