"""The pixel pipeline against the image processors of transformers, as they are read back from the saved file."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, ConvNextImageProcessorPil, LevitImageProcessorPil, ViTImageProcessorPil

from finetune.errors import CheckpointError
from finetune.pixels import PixelPipeline

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Landscape, portrait, odd, smaller than the input, square, extreme, and the size of the fridge photographs.
SIZES = [(90, 61), (61, 90), (33, 47), (5, 3), (1, 1), (64, 64), (400, 7), (13, 299), (499, 666)]
PIPELINES = [
    PixelPipeline("squash", 64, None, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    PixelPipeline("squash", 64, 56, "bicubic", MEAN, STD),
    PixelPipeline("squash", 37, 31, "lanczos", MEAN, STD),
    PixelPipeline("shortest_edge", 64, 56, "bicubic", MEAN, STD),
    PixelPipeline("shortest_edge", 37, 30, "nearest", MEAN, STD),
    PixelPipeline("shortest_edge", 48, 48, "bicubic", MEAN, STD),
]


def ours(pixels: PixelPipeline, image: Image.Image) -> torch.Tensor:
    return pixels.normalise(torch.from_numpy(pixels.to_uint8(image)[None]))


@pytest.mark.parametrize("model_type", ["vit", "deit"])
@pytest.mark.parametrize("pixels", PIPELINES, ids=lambda p: f"{p.resize}-{p.resize_px}-{p.crop_px}")
def test_the_saved_processor_gives_bit_equal_pixels(pixels, model_type, noise, tmp_path):
    pixels.to_processor(model_type).save_pretrained(tmp_path)
    processor = AutoImageProcessor.from_pretrained(tmp_path)
    for size in SIZES:
        image = noise(*size)
        assert torch.equal(ours(pixels, image), processor(images=image, return_tensors="pt")["pixel_values"]), size


@pytest.mark.parametrize("pixels", PIPELINES, ids=lambda p: f"{p.resize}-{p.resize_px}-{p.crop_px}")
def test_a_saved_pipeline_is_read_back_as_the_same(pixels, tmp_path):
    pixels.to_processor("vit").save_pretrained(tmp_path)
    assert PixelPipeline.from_processor(AutoImageProcessor.from_pretrained(tmp_path)) == pixels


def test_all_256_values_of_all_channels_are_bit_equal(squash):
    image = Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2))
    pixels = PixelPipeline("squash", 16, None, "nearest", squash.mean, squash.std)
    theirs = pixels.to_processor("vit")(images=image, return_tensors="pt")["pixel_values"]
    assert torch.equal(ours(pixels, image), theirs)


def test_the_saved_file_converts_to_rgb_and_names_no_backend(deit, tmp_path):
    deit.to_processor("vit").save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert saved["do_convert_rgb"] is True
    assert saved["image_processor_type"] == "ViTImageProcessor"
    assert saved["size"] == {"shortest_edge": 64}
    assert saved["crop_size"] == {"height": 56, "width": 56}


@pytest.mark.parametrize(("side", "resize"), [(56, "shortest_edge"), (384, "squash")])
def test_convnexts_own_crop_rule_is_reproduced(side, resize, noise):
    processor = ConvNextImageProcessorPil(size={"shortest_edge": side}, crop_pct=0.875)
    pixels = PixelPipeline.from_processor(processor)
    assert (pixels.resize, pixels.size_px) == (resize, side)
    for size in itertools.product((33, 90), (47, 120)):
        theirs = processor(images=noise(*size), return_tensors="pt")["pixel_values"]
        assert (ours(pixels, noise(*size)) - theirs).abs().max() < 1e-6


def test_a_processor_that_does_not_normalise_becomes_mean_0_and_std_1():
    pixels = PixelPipeline.from_processor(ViTImageProcessorPil(do_normalize=False))
    assert (pixels.mean, pixels.std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"do_resize": False}, "does not resize"),
        ({"do_rescale": False}, "does not scale pixels by 1/255"),
        ({"rescale_factor": 1 / 127.5}, "does not scale pixels by 1/255"),
        ({"size": {"height": 32, "width": 48}}, "resizes to .* a square is expected"),
        ({"size": {"shortest_edge": 32, "longest_edge": 64}}, "a square is expected"),
        ({"size": {"shortest_edge": 32}}, "does not crop"),
        ({"do_center_crop": True, "crop_size": {"height": 8, "width": 9}}, "crops to .* a square is expected"),
        ({"resample": 4}, "resamples with filter 4"),
    ],
)
def test_a_processor_that_does_something_else_is_refused_with_what_to_do(settings, words):
    with pytest.raises(CheckpointError, match=words):
        PixelPipeline.from_processor(ViTImageProcessorPil(**settings))


def test_a_processor_that_does_more_than_its_settings_say_is_found_out():
    processor = LevitImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    with pytest.raises(CheckpointError, match=r"does more than resize, crop.*spell out model\.preprocessing"):
        PixelPipeline.from_processor(processor)
