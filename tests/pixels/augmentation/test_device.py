"""Everything after the crop, put together."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from finetune.pixels.augmentation.device import DeviceAugmentation
from finetune.recipe.augmentation import PRESETS, Augmentation

UNMIXED = {"mixup_alpha": 0.0, "cutmix_alpha": 0.0}


def varied(batch_of, pixels, augmentation: Augmentation, n: int = 8):
    return DeviceAugmentation(augmentation, pixels, 3)(batch_of(augmentation, n))


@pytest.mark.parametrize("preset", ["none", "light"])
def test_a_batch_comes_back_as_it_is_where_nothing_is_asked_for_after_the_crop(batch_of, pixels, preset):
    batch = batch_of(PRESETS[preset])
    assert DeviceAugmentation(PRESETS[preset], pixels, 3)(batch) is batch


def test_images_that_no_operation_meets_are_normalised_to_the_same_bits(batch_of, pixels):
    augmentation = Augmentation(erasing=1e-9)
    plain, batch = batch_of(augmentation), varied(batch_of, pixels, augmentation)
    assert batch["pixels"].dtype == torch.float32
    assert torch.equal(pixels.normalise(batch["pixels"]), pixels.normalise(plain["pixels"]))
    assert torch.equal(batch["targets"], plain["targets"])


@pytest.mark.parametrize("preset", ["deit", "three_augment"])
def test_targets_of_mixed_images_are_rows_that_sum_to_one(batch_of, pixels, preset):
    targets = varied(batch_of, pixels, PRESETS[preset])["targets"]
    assert (targets.shape, targets.dtype) == ((8, 3), torch.float32)
    assert targets.sum(dim=1).tolist() == pytest.approx([1.0] * 8)
    assert ((targets > 0) & (targets < 1)).any()


@pytest.mark.parametrize("preset", ["deit", "three_augment"])
def test_an_image_gets_the_same_in_any_batch(batch_of, pixels, preset):
    augmentation = dataclasses.replace(PRESETS[preset], **UNMIXED)
    vary, batch = DeviceAugmentation(augmentation, pixels, 3), batch_of(augmentation, 24)
    together = vary(batch)["pixels"]
    others = [vary({key: part[i::4] for key, part in batch.items()})["pixels"] for i in range(4)]
    assert all(torch.equal(together[i::4], other) for i, other in enumerate(others))
    assert len(torch.unique(together.flatten(1), dim=0)) == 24


def test_switching_one_part_off_leaves_what_the_others_do(batch_of, pixels):
    both = dataclasses.replace(PRESETS["deit"], color_jitter=0.4, erasing=0.0, **UNMIXED)
    erased = dataclasses.replace(both, erasing=1.0)
    plain, found = varied(batch_of, pixels, both)["pixels"], varied(batch_of, pixels, erased)["pixels"]
    unchanged = (plain == found).all(dim=1).float().mean(dim=(1, 2))
    assert unchanged.min() > 0.6  # all but the rectangle, a third at most
    assert unchanged.max() < 1.0


@pytest.mark.parametrize("strength", [0.0, 0.4])
def test_colour_jitter_of_strength_s_multiplies_by_one_minus_s_to_one_plus_s(batch_of, pixels, strength):
    augmentation = Augmentation(color_jitter=strength, erasing=1e-9)
    batch = batch_of(augmentation, 200)
    batch["pixels"] = torch.full_like(batch["pixels"], 102)  # 0.4: grey, so that brightness alone shows
    factors = DeviceAugmentation(augmentation, pixels, 3)(batch)["pixels"].mean(dim=(1, 2, 3)) / 0.4
    assert float(factors.min()) == pytest.approx(1 - strength, abs=0.02)
    assert float(factors.max()) == pytest.approx(1 + strength, abs=0.02)


@pytest.mark.parametrize("preset", ["deit", "three_augment"])
def test_pixels_stay_between_black_and_white_but_for_the_noise(batch_of, pixels, preset):
    augmentation = dataclasses.replace(PRESETS[preset], erasing=0.0)
    found = varied(batch_of, pixels, augmentation, 32)["pixels"]
    assert 0.0 <= float(found.min()) < 0.1
    assert 0.9 < float(found.max()) <= 1.0


def test_the_fill_of_movements_is_the_checkpoints_mean_colour(batch_of, pixels):
    augmentation = Augmentation(rand_augment_operations=1, rand_augment_probability=1.0)
    batch = batch_of(augmentation, 1)
    batch["pixels"].fill_(255)
    batch["draws"][:, -4:] = [[14.5 / 15, 0.0, 0.5, 0.9]]  # TranslateYRel, by plus 0.405 of the height
    found = DeviceAugmentation(augmentation, pixels, 3)(batch)["pixels"]
    assert found[0, :, -1, 0].tolist() == pytest.approx([124 / 255, 116 / 255, 104 / 255])
