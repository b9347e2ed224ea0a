"""Balanced sampling: chances by hand, and what an epoch draws."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.training.batches import GlobalBatches
from finetune.training.sampling import balanced_chances

UNEVEN = np.array([0] * 900 + [1] * 90 + [2] * 10)


def epoch_of(truth: np.ndarray, epoch: int = 0, **sampler) -> list[int]:
    batches = GlobalBatches(len(truth), 50, seed=5, chances=balanced_chances(truth), **sampler)
    batches.set_epoch(epoch)
    return [draw.image for piece in batches for draw in piece if draw.weight]


def test_an_image_has_the_chance_of_one_over_its_class():
    assert balanced_chances(np.array([2, 0, 0])).tolist() == [1.0, 0.5, 0.5]


def test_an_image_with_labels_has_the_mean_of_theirs_and_one_without_the_smallest():
    truth = np.array([[1, 0], [1, 1], [1, -1], [0, 0], [-1, -1]])
    assert balanced_chances(truth) == pytest.approx([1 / 3, (1 / 3 + 1) / 2, 1 / 3, 1 / 3, 1 / 3])


def test_images_without_any_label_have_equal_chances():
    assert balanced_chances(np.zeros((3, 2), dtype=np.int8)).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("repeats", [1, 3])
def test_classes_come_about_equally_often_in_an_epoch_of_the_same_length(repeats):
    images = epoch_of(UNEVEN, repeats=repeats)
    shares = np.bincount(UNEVEN[images]) / len(images)
    assert len(images) == 1000
    assert shares == pytest.approx([1 / 3] * 3, abs=0.06)


def test_rare_labels_come_more_often():
    rng = np.random.default_rng(0)
    truth = (rng.random((1000, 3)) < [0.5, 0.1, 0.02]).astype(np.int8)
    drawn = truth[epoch_of(truth)].sum(axis=0)
    before = truth.sum(axis=0)
    assert before.max() / before.min() > 15
    assert drawn.max() / drawn.min() < 3


def test_an_epoch_draws_the_same_again_and_the_next_one_another():
    assert epoch_of(UNEVEN) == epoch_of(UNEVEN)
    assert epoch_of(UNEVEN) != epoch_of(UNEVEN, epoch=1)


def test_processes_and_pieces_share_what_one_would_draw():
    shares = [epoch_of(UNEVEN, rank=rank, processes=2, accumulation_steps=2) for rank in range(2)]
    assert sorted(shares[0] + shares[1]) == sorted(epoch_of(UNEVEN))


def test_a_run_draws_so_if_its_recipe_says_so(recipe_for, trainer_for):
    shuffled = trainer_for(recipe_for()).loader.batch_sampler
    balanced = trainer_for(recipe_for(**{"data.sampling": "balanced"})).loader.batch_sampler
    images = [draw.image for piece in balanced for draw in piece]
    assert shuffled.chances is None
    assert balanced.chances.tolist() == pytest.approx([1 / 6] * 18)
    assert len(images) == 18
    assert len(set(images)) < 18  # with replacement
