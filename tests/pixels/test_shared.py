"""Pixels that two models look at: the first one's crop, at the size and in the numbers of the second."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from finetune.pixels import PixelPipeline
from finetune.pixels.pipeline import FILTERS
from finetune.pixels.shared import SharedPixels

PLAIN = PixelPipeline("squash", 32, None, "bicubic", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def other(size_px: int, interpolation: str = "bicubic") -> PixelPipeline:
    return PixelPipeline("squash", size_px, None, interpolation, (0.1, 0.2, 0.3), (0.5, 0.25, 0.2))


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(64, 192, (32, 32, 3), dtype=np.uint8)  # no overshoot is clipped


def test_the_crop_is_the_first_models(picture):
    image = Image.fromarray(picture).resize((50, 41))
    np.testing.assert_array_equal(SharedPixels(PLAIN, other(24)).to_uint8(image), PLAIN.to_uint8(image))


def test_at_the_same_size_only_the_normalisation_is_the_second_models(picture):
    batch = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None]
    assert torch.equal(SharedPixels(PLAIN, other(32)).normalise(batch), other(32).normalise(batch))


@pytest.mark.parametrize("size_px", [12, 24, 48])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_another_size_is_resampled_as_pillow_does(picture, size_px, interpolation):
    batch = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None]
    expected = np.asarray(Image.fromarray(picture).resize((size_px, size_px), FILTERS[interpolation])) / 255
    pipeline = PixelPipeline("squash", size_px, None, interpolation, PLAIN.mean, PLAIN.std)
    found = SharedPixels(PLAIN, pipeline).normalise(batch)[0].numpy().transpose(1, 2, 0)
    assert np.abs(found - expected).max() < 1.5 / 255  # Pillow rounds to levels, once for each direction


def test_floating_point_pixels_give_what_the_same_levels_give(picture):
    batch = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None]
    shared = SharedPixels(PLAIN, other(20))
    torch.testing.assert_close(shared.normalise(batch.float() / 255), shared.normalise(batch))


def test_what_bicubic_overshoots_is_clipped():
    edge = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    edge[..., 16:] = 255
    pipeline = PixelPipeline("squash", 64, None, "bicubic", PLAIN.mean, PLAIN.std)
    found = SharedPixels(PLAIN, pipeline).normalise(edge)
    assert (float(found.min()), float(found.max())) == (0.0, 1.0)


def test_noise_beyond_the_range_of_pixels_keeps_its_strength_at_another_size():
    """Random erasing paints normal noise; cut off at 0 and 1 its standard deviation of 0.5 would be 0.34."""
    noise = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).repeat_interleave(4, 2)
    noise = noise.repeat_interleave(4, 3)  # 256 px in cells of 4: what is halved is still what was drawn
    pipeline = PixelPipeline("squash", 128, None, "bicubic", PLAIN.mean, PLAIN.std)
    found = SharedPixels(PLAIN, pipeline).normalise(noise)
    assert float(found.std()) > 0.85
    assert float(noise.min()) <= float(found.min()) < -2.0
