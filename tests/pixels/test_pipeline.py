"""The evaluation pipeline by itself; test_processor.py holds it against transformers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from finetune.errors import CheckpointError
from finetune.pixels import PixelPipeline

HALF = (0.5, 0.5, 0.5)


def test_squash_gives_a_square_whatever_the_shape(squash, noise):
    for size in ((10, 500), (500, 10), (64, 64), (1, 1)):
        assert squash.to_uint8(noise(*size)).shape == (3, 64, 64)


def test_the_shorter_side_is_resized_and_the_middle_is_cut_out(deit, noise):
    image = noise(300, 200)
    whole = np.asarray(image.resize((96, 64), Image.Resampling.BICUBIC))
    assert np.array_equal(deit.to_uint8(image), whole[4:60, 20:76].transpose(2, 0, 1))


def test_an_image_of_the_right_size_passes_unchanged(noise):
    pixels = PixelPipeline("squash", 32, None, "bicubic", HALF, HALF)
    image = noise(32, 32)
    assert np.array_equal(pixels.to_uint8(image), np.asarray(image).transpose(2, 0, 1))


def test_what_comes_out_is_contiguous_uint8(deit, noise):
    array = deit.to_uint8(noise(70, 90))
    assert array.dtype == np.uint8
    assert array.flags.c_contiguous


def test_normalising_is_scaling_then_mean_then_std_by_hand():
    pixels = PixelPipeline("squash", 1, None, "nearest", (0.5, 0.0, 0.25), (0.5, 1.0, 0.125))
    batch = torch.tensor([255, 51, 0], dtype=torch.uint8).view(1, 3, 1, 1)
    assert pixels.normalise(batch).flatten().tolist() == pytest.approx([1.0, 0.2, -2.0], abs=1e-7)


def test_normalising_computes_in_float32_and_rounds_once(squash):
    batch = torch.arange(192, dtype=torch.uint8).view(1, 3, 8, 8)
    assert torch.equal(squash.normalise(batch, torch.bfloat16), squash.normalise(batch).bfloat16())
    assert squash.normalise(batch).dtype == torch.float32


def test_normalising_leaves_the_batch_as_it_is(squash):
    batch = torch.full((1, 3, 2, 2), 7, dtype=torch.uint8)
    squash.normalise(batch)
    assert batch.unique().tolist() == [7]


@pytest.mark.parametrize(
    ("size_px", "resize_px"), [(384, 438), (224, 256), (32, 36)]
)  # 438 is what DeiT's own code resizes to for 384
def test_another_size_keeps_the_share_that_is_cropped_away(size_px, resize_px):
    pixels = PixelPipeline("shortest_edge", 256, 224, "bicubic", HALF, HALF).resized_for(size_px)
    assert (pixels.resize_px, pixels.crop_px, pixels.size_px) == (resize_px, size_px, size_px)


def test_another_size_of_a_pipeline_without_a_crop_has_no_crop(squash):
    assert (squash.resized_for(48).resize_px, squash.resized_for(48).crop_px) == (48, None)


def test_a_crop_larger_than_the_image_is_refused():
    with pytest.raises(CheckpointError, match="crops 300 px out of images resized to 256 px"):
        PixelPipeline("squash", 256, 300, "bicubic", HALF, HALF)


def test_a_kept_shape_without_a_crop_is_refused():
    with pytest.raises(CheckpointError, match="keeps the image's shape but does not crop"):
        PixelPipeline("shortest_edge", 256, None, "bicubic", HALF, HALF)


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "I;16"])
def test_an_image_that_was_not_decoded_to_rgb_is_refused(squash, mode):
    with pytest.raises(ValueError, match="expected RGB"):
        squash.to_uint8(Image.new(mode, (70, 70)))
