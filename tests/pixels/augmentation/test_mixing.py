"""Mixup and cutmix."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from finetune.errors import DataError
from finetune.pixels.augmentation import mixing
from finetune.pixels.augmentation.mixing import Mix, check_labels_can_mix, choose_mix, mix_pixels, mix_targets
from finetune.recipe.augmentation import Augmentation
from finetune.training.batches import GlobalBatches

BOTH = Augmentation(mixup_alpha=0.8, cutmix_alpha=1.0)


def chosen(draws_of, augmentation: Augmentation, passes: int = 400) -> list[Mix | None]:
    return [choose_mix(draws_of(augmentation, 2, epoch), 100, augmentation) for epoch in range(passes)]


def everyone(n: int) -> torch.Tensor:
    return torch.ones(n, dtype=torch.bool)


def test_mixup_blends_an_image_with_the_one_half_a_pass_further_on():
    images = torch.tensor([0.0, 0.5, 1.0, 0.25]).view(4, 1, 1, 1).expand(4, 3, 4, 4).clone()
    mixed = mix_pixels(images, Mix(0.75), everyone(4))
    assert mixed[:, 0, 0, 0].tolist() == [0.25, 0.4375, 0.75, 0.3125]


@pytest.mark.parametrize("repeats", [2, 3])
def test_no_image_is_mixed_with_its_own_copy(repeats):
    pieces = GlobalBatches(200, 16, seed=0, repeats=repeats)
    numbers = [torch.tensor([draw.image for draw in piece]) for piece in pieces if len(piece) > 2 * repeats]
    assert len(numbers) == 13 if repeats == 2 else 12
    assert not any((mixing.partners(images) == images).any() for images in numbers)


def test_cutmix_replaces_the_rectangle_and_nothing_else():
    images = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 4, 4).clone()
    mixed = mix_pixels(images, Mix(0.75, (0, 1, 2, 3)), everyone(2))
    assert mixed[0, 0].tolist() == [[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert torch.equal(mixed[1], 1.0 - mixed[0])


def test_labels_are_mixed_in_the_proportion_of_the_pixels():
    targets = mixing.soft_targets(torch.tensor([0, 2]), 3)
    assert mix_targets(targets, Mix(0.75), everyone(2)).tolist() == [[0.75, 0, 0.25], [0.25, 0, 0.75]]


def test_multi_hot_labels_keep_what_both_images_show():
    targets = mixing.soft_targets(torch.tensor([[1, 1, 0], [0, 1, 1]], dtype=torch.int8), 3)
    assert mix_targets(targets, Mix(0.75), everyone(2)).tolist() == [[0.75, 1, 0.25], [0.25, 1, 0.75]]


def test_cutmix_gives_labels_the_area_that_is_really_replaced(draws_of):
    for mix in chosen(draws_of, Augmentation(cutmix_alpha=1.0)):
        top, left, bottom, right = mix.box
        images = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 100, 100).clone()
        assert float(mix_pixels(images, mix, everyone(2))[0].mean()) == pytest.approx(1 - mix.share, abs=1e-5)
        assert 0 <= top <= bottom <= 100
        assert 0 <= left <= right <= 100


def test_padding_is_mixed_into_nothing():
    images = torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1).expand(3, 3, 4, 4).clone()
    paired = mixing.pairs(torch.tensor([1.0, 0.0, 0.0]))
    assert torch.equal(mix_pixels(images.clone(), Mix(0.6), paired), images)
    assert torch.equal(mix_pixels(images.clone(), Mix(0.6, (0, 0, 2, 2)), paired), images)
    targets = torch.eye(3)
    assert torch.equal(mix_targets(targets, Mix(0.6), paired), targets)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_passes_are_mixed_as_often_as_asked(draws_of, probability):
    mixes = chosen(draws_of, Augmentation(mixup_alpha=1.0, mix_probability=probability))
    share = sum(mix is not None for mix in mixes) / len(mixes)
    assert share == pytest.approx(probability, abs=0.06 if probability == 0.3 else 0.0)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_cutmix_has_its_share_where_both_are_on(draws_of, share):
    mixes = chosen(draws_of, Augmentation(mixup_alpha=0.8, cutmix_alpha=1.0, cutmix_share=share))
    found = sum(mix.box is not None for mix in mixes) / len(mixes)
    assert found == pytest.approx(share, abs=0.06 if share == 0.25 else 0.0)


def test_one_that_is_off_leaves_all_to_the_other(draws_of):
    assert all(mix.box is None for mix in chosen(draws_of, Augmentation(mixup_alpha=0.8), 50))
    assert all(mix.box is not None for mix in chosen(draws_of, Augmentation(cutmix_alpha=1.0), 50))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_shares_are_drawn_from_the_beta_distribution(draws_of, alpha):
    shares = [mix.share for mix in chosen(draws_of, Augmentation(mixup_alpha=alpha), 800)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)
    assert np.var(shares) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.15)  # of Beta(alpha, alpha)


def test_a_pass_is_mixed_by_its_images_alone(draws_of):
    draws = draws_of(BOTH, 4)
    assert choose_mix(draws, 100, BOTH) == choose_mix(draws.copy(), 100, BOTH)
    assert choose_mix(draws, 100, BOTH) != choose_mix(draws[:3], 100, BOTH)


def test_unknown_labels_are_refused_with_what_to_do():
    known, unknown = np.array([[1, 0], [0, 1]]), np.array([[1, -1], [0, 1]])
    check_labels_can_mix(BOTH, known)
    check_labels_can_mix(Augmentation(), unknown)
    check_labels_can_mix(Augmentation(mixup_alpha=1.0, mix_probability=0.0), unknown)
    with pytest.raises(DataError, match=r"^1 of 2 training images have labels that nobody knows .*set augment\.mixup"):
        check_labels_can_mix(BOTH, unknown)


@pytest.mark.parametrize("repeats", [2, 3, 5])
def test_an_image_does_not_meet_its_own_copy_in_a_pass_of_twice_as_many_images_as_copies(repeats):
    for size in range(2 * repeats, 40):
        for begun in range(repeats):  # a pass may begin amid an image's copies
            images = torch.arange(size + begun)[begun:] // repeats
            assert not (images == mixing.partners(images)).any()
