"""augment.preset: what is chosen, and that a value in the recipe wins."""

from __future__ import annotations

from dataclasses import fields

import pytest

from finetune.recipe.augmentation import PRESETS, Augmentation, choose_augmentation, presets_table
from finetune.recipe.sections import Augment

OWN = {
    "crop_scale": (0.5, 0.6), "crop_ratio": (1.0, 1.1), "horizontal_flip": 0.1, "vertical_flip": 0.2,
    "color_jitter": 0.3, "rand_augment_operations": 5, "rand_augment_magnitude": 4.0, "rand_augment_magnitude_std": 2.0,
    "rand_augment_increasing": False, "rand_augment_probability": 0.6, "three_augment": 0.7, "erasing": 0.8,
    "erasing_area": (0.1, 0.2), "mixup_alpha": 0.9, "cutmix_alpha": 0.4, "mix_probability": 0.35, "cutmix_share": 0.45,
    "repeats": 4,
}  # fmt: skip


def test_every_key_of_the_section_is_a_value():
    assert set(Augment.model_fields) - {"preset"} == {field.name for field in fields(Augmentation)} == set(OWN)


@pytest.mark.parametrize("preset", PRESETS)
def test_what_the_recipe_says_wins_over_every_preset(preset):
    assert choose_augmentation(Augment(preset=preset, **OWN)) == Augmentation(**OWN)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_alone_is_what_it_is(preset):
    assert choose_augmentation(Augment(preset=preset)) == PRESETS[preset]


def test_the_evaluation_crop_can_be_had_with_every_preset():
    assert choose_augmentation(Augment(preset="deit", crop_scale="evaluation")).crop_scale is None


def test_deit_is_the_published_recipe():
    deit = PRESETS["deit"]
    assert (deit.rand_augment_operations, deit.rand_augment_magnitude, deit.rand_augment_magnitude_std) == (2, 9.0, 0.5)
    assert (deit.erasing, deit.mixup_alpha, deit.cutmix_alpha, deit.cutmix_share) == (0.25, 0.8, 1.0, 0.5)
    assert (deit.repeats, deit.color_jitter) == (3, 0.0)


@pytest.mark.parametrize(
    ("augmentation", "varies", "after_the_crop", "mixes"),
    [
        (Augmentation(), False, False, False),
        (Augmentation(vertical_flip=0.1), True, False, False),
        (Augmentation(erasing=0.1), True, True, False),
        (Augmentation(cutmix_alpha=1.0), True, True, True),
        (Augmentation(cutmix_alpha=1.0, mix_probability=0.0), False, False, False),
    ],
)
def test_an_augmentation_knows_what_it_does(augmentation, varies, after_the_crop, mixes):
    found = augmentation.varies, augmentation.varies_after_crop, augmentation.mixes
    assert found == (varies, after_the_crop, mixes)


def test_the_table_spells_out_every_key_of_every_preset():
    lines = presets_table().splitlines()
    assert len(lines) == 2 + len(OWN)
    assert "| `mixup_alpha` | 0.0 | 0.0 | 0.8 | 0.8 |" in lines
    assert "| `erasing_area` " + "| [0.02, 0.3333] " * 4 + "|" in lines
