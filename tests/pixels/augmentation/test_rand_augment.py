"""RandAugment: which images get which operation, how strongly."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from finetune.pixels.augmentation.draws import columns_of
from finetune.pixels.augmentation.rand_augment import OPERATIONS, groups_of, rand_augment
from finetune.recipe.augmentation import Augmentation

FILL = torch.tensor([124.0, 116.0, 104.0])
ALWAYS = Augmentation(rand_augment_operations=1, rand_augment_probability=1.0)


def drawn(operation: str, magnitude: float = 0.5, sign: float = 0.9, applied: float = 0.0) -> np.ndarray:
    """(1, 4): the numbers that choose an operation; 0.5 is the mean magnitude, a sign above 0.5 is plus."""
    return np.array([[(OPERATIONS.index(operation) + 0.5) / len(OPERATIONS), applied, magnitude, sign]])


def strength(operation: str, augmentation: Augmentation, **numbers: float) -> float:
    (group,) = groups_of(drawn(operation, **numbers), augmentation)
    assert group.operation == operation
    return float(group.strengths[0])


# What timm's level_to_arg functions give for magnitude 9, by hand; minus where the sign is minus.
AT_NINE = {
    "AutoContrast": (0, 0), "Equalize": (0, 0), "Invert": (0, 0), "Rotate": (27, 27), "Posterize": (1, 3),
    "Solarize": (26, 230), "SolarizeAdd": (99, 99), "Color": (1.81, 1.72), "Contrast": (1.81, 1.72),
    "Brightness": (1.81, 1.72), "Sharpness": (1.81, 1.72), "ShearX": (0.27, 0.27), "ShearY": (0.27, 0.27),
    "TranslateXRel": (0.405, 0.405), "TranslateYRel": (0.405, 0.405),
}  # fmt: skip


def test_there_are_timms_fifteen_operations():
    assert set(OPERATIONS) == set(AT_NINE)


@pytest.mark.parametrize("operation", AT_NINE)
def test_magnitude_nine_gives_timms_strengths_increasing_or_not(operation):
    increasing, plain = AT_NINE[operation]
    assert strength(operation, ALWAYS) == pytest.approx(increasing)
    other = Augmentation(rand_augment_operations=1, rand_augment_probability=1.0, rand_augment_increasing=False)
    assert strength(operation, other) == pytest.approx(plain)


def test_the_sign_turns_movements_round_and_factors_below_one():
    assert strength("Rotate", ALWAYS, sign=0.1) == -27
    assert strength("TranslateYRel", ALWAYS, sign=0.1) == pytest.approx(-0.405)
    assert strength("Color", ALWAYS, sign=0.1) == pytest.approx(0.19)
    assert strength("SolarizeAdd", ALWAYS, sign=0.1) == 99


@pytest.mark.parametrize(("magnitude", "degrees"), [(0.0, 0.0), (5.0, 15.0), (10.0, 30.0)])
def test_the_magnitude_sets_the_strength(magnitude, degrees):
    augmentation = Augmentation(rand_augment_operations=1, rand_augment_magnitude=magnitude)
    assert strength("Rotate", augmentation) == pytest.approx(degrees)


def test_magnitudes_are_normal_about_their_mean_and_end_at_ten():
    draws = np.tile(drawn("Rotate"), (4000, 1))
    draws[:, 2] = (np.arange(4000) + 0.5) / 4000
    (group,) = groups_of(draws, Augmentation(rand_augment_magnitude=5.0, rand_augment_magnitude_std=1.5))
    assert (group.strengths / 3.0).mean() == pytest.approx(5.0, abs=0.01)
    assert (group.strengths / 3.0).std() == pytest.approx(1.5, abs=0.01)
    (wide,) = groups_of(draws, Augmentation(rand_augment_magnitude=9.0, rand_augment_magnitude_std=4.0))
    assert wide.strengths.max() == 30.0
    assert strength("Rotate", ALWAYS, magnitude=0.0) > 0  # the ends of the numbers are finite


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_an_operation_is_applied_as_often_as_asked(draws_of, probability):
    augmentation = Augmentation(rand_augment_operations=1, rand_augment_probability=probability)
    groups = groups_of(columns_of(draws_of(augmentation, 2000), "rand_augment")[:, 0], augmentation)
    share = sum(len(group.images) for group in groups) / 2000
    assert share == pytest.approx(probability, abs=0.0 if probability in (0.0, 1.0) else 0.03)


def test_every_operation_is_drawn_equally_often_for_each_image_and_slot_anew(draws_of):
    two = Augmentation(rand_augment_operations=2, rand_augment_probability=1.0)
    slots = columns_of(draws_of(two, 1500), "rand_augment")
    names = []
    for slot in range(2):
        by_image = {i: group.operation for group in groups_of(slots[:, slot], two) for i in group.images.tolist()}
        names.append([by_image[i] for i in range(1500)])
    counts = Counter(names[0])
    assert set(counts) == set(OPERATIONS)
    assert min(counts.values()) > 60
    assert sum(a == b for a, b in zip(*names, strict=True)) / 1500 == pytest.approx(1 / 15, abs=0.02)


def test_more_operations_change_more_images(batch_of):
    changed = []
    for operations in (0, 1, 4):
        augmentation = Augmentation(rand_augment_operations=operations)
        batch = batch_of(augmentation, 64)
        varied = rand_augment(batch["pixels"], batch["draws"], augmentation, FILL)
        changed.append(int((varied != batch["pixels"]).flatten(1).any(dim=1).sum()))
    assert changed[0] == 0
    assert changed[0] < changed[1] < changed[2]
    assert changed[1] == pytest.approx(32, abs=10)  # each is applied with probability 0.5


def test_images_in_a_batch_get_what_each_of_them_gets_alone(batch_of):
    augmentation = Augmentation(rand_augment_operations=3, rand_augment_probability=1.0)
    batch = batch_of(augmentation, 40)
    together = rand_augment(batch["pixels"], batch["draws"], augmentation, FILL)
    for i in range(40):
        alone = rand_augment(batch["pixels"][i : i + 1], batch["draws"][i : i + 1], augmentation, FILL)
        assert torch.equal(alone[0], together[i])


def test_the_batch_that_came_in_is_left_as_it_was(batch_of):
    batch = batch_of(ALWAYS)
    before = batch["pixels"].clone()
    rand_augment(batch["pixels"], batch["draws"], ALWAYS, FILL)
    assert torch.equal(batch["pixels"], before)
