"""Random crops of training images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from finetune.pixels import TrainingCrop
from finetune.pixels.training_crop import TRIES, crop_box
from finetune.recipe.augmentation import PRESETS, Augmentation


def generator(*words: int) -> np.random.Generator:
    return np.random.default_rng(words)


def gradient(width: int = 200, height: int = 100) -> Image.Image:
    """Red tells the column, green the row."""
    red = np.tile(np.linspace(0, 255, width), (height, 1))
    green = np.tile(np.linspace(0, 255, height)[:, None], (1, width))
    return Image.fromarray(np.stack([red, green, 0 * red], axis=2).round().astype(np.uint8))


def test_the_same_seed_epoch_and_index_give_the_same_pixels(deit, noise):
    crop = TrainingCrop(PRESETS["light"], deit)
    first = crop(noise(90, 70), generator(42, 3, 17))
    assert np.array_equal(first, crop(noise(90, 70), generator(42, 3, 17)))
    assert not np.array_equal(first, crop(noise(90, 70), generator(42, 4, 17)))


def test_a_call_draws_the_same_count_of_numbers_whatever_the_image_and_the_recipe(deit, noise):
    after = set()
    for augment in (PRESETS["light"], PRESETS["none"], Augmentation(crop_scale=(0.5, 1.0), vertical_flip=1.0)):
        for size in ((90, 70), (500, 3)):
            rng = generator(1)
            TrainingCrop(augment, deit)(noise(*size), rng)
            after.add(rng.random())
    assert len(after) == 1


@pytest.mark.parametrize("size", [(90, 70), (3, 400), (1, 1), (499, 666)])
def test_what_comes_out_is_contiguous_uint8_of_the_models_size(deit, noise, size):
    array = TrainingCrop(Augmentation(), deit)(noise(*size), generator(0))
    assert (array.shape, array.dtype) == ((3, 56, 56), np.uint8)
    assert array.flags.c_contiguous


def test_without_a_crop_range_the_evaluation_crop_is_taken(deit, noise):
    augment = Augmentation(crop_scale=None, horizontal_flip=0.0)
    assert np.array_equal(TrainingCrop(augment, deit)(noise(90, 70), generator(0)), deit.to_uint8(noise(90, 70)))


@pytest.mark.parametrize(("key", "axis"), [("horizontal_flip", 2), ("vertical_flip", 1)])
def test_a_flip_mirrors_its_axis_and_only_that(deit, noise, key, axis):
    plain = {"crop_scale": None, "horizontal_flip": 0.0, "vertical_flip": 0.0}
    flipped = TrainingCrop(Augmentation(**{**plain, key: 1.0}), deit)(noise(90, 70), generator(0))
    assert np.array_equal(flipped, np.flip(deit.to_uint8(noise(90, 70)), axis))


def test_flips_happen_as_often_as_asked(deit):
    image = gradient()
    crop = TrainingCrop(Augmentation(crop_scale=None, horizontal_flip=0.25), deit)
    flipped = [crop(image, generator(i))[0, 0, 0] > 128 for i in range(400)]
    assert np.mean(flipped) == pytest.approx(0.25, abs=0.06)


def test_the_whole_image_is_the_crop_of_scale_1_and_its_own_ratio(deit):
    image = gradient(120, 80)
    augment = Augmentation(crop_scale=(1.0, 1.0), crop_ratio=(1.5, 1.5), horizontal_flip=0.0)
    expected = np.asarray(image.resize((56, 56), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    assert np.array_equal(TrainingCrop(augment, deit)(image, generator(0)), expected)


def test_crops_keep_to_the_area_and_the_ratio():
    random = generator(0)
    boxes = [crop_box(300, 200, (0.2, 0.6), (0.75, 4 / 3), random.random((TRIES, 4))) for _ in range(500)]
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= 300
        assert 0 <= top < bottom <= 200
        width, height = right - left, bottom - top
        assert 0.19 < width * height / 60_000 < 0.61
        assert 0.74 < width / height < 1.35


def test_crops_reach_every_edge_of_the_image():
    random = generator(0)
    boxes = np.array([crop_box(20, 20, (0.25, 0.25), (1.0, 1.0), random.random((TRIES, 4))) for _ in range(500)])
    assert boxes.min(axis=0).tolist() == [0, 0, 10, 10]
    assert boxes.max(axis=0).tolist() == [10, 10, 20, 20]


def test_the_middle_is_taken_where_no_drawn_crop_fits():
    draws = np.full((TRIES, 4), 0.999)
    assert crop_box(1000, 10, (1.0, 1.0), (0.75, 4 / 3), draws) == (493, 0, 506, 10)  # 13 of 1000 columns
    assert crop_box(10, 1000, (1.0, 1.0), (0.75, 4 / 3), draws) == (0, 493, 10, 506)
    assert crop_box(10, 9, (1.0, 1.0), (1.0, 2.0), np.full((TRIES, 4), 0.999)) == (0, 0, 10, 9)


def test_large_photographs_are_reduced_first_and_stay_within_a_few_levels_of_the_exact_filter(deit):
    image = gradient(900, 600)
    augment = Augmentation(crop_scale=(1.0, 1.0), crop_ratio=(1.5, 1.5), horizontal_flip=0.0)
    exact = np.asarray(image.resize((56, 56), Image.Resampling.BICUBIC)).transpose(2, 0, 1).astype(int)
    assert np.abs(TrainingCrop(augment, deit)(image, generator(0)) - exact).max() <= 2
