import random
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from finetune.data.stratify import Unit, apportion, stratify


def single_labels(counts, seed=0):
    """One image per unit; unit orders in a random sequence."""
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    orders = random.Random(seed).sample(range(10**9), len(labels))
    return [Unit(order, 1, ((label, 1),)) for order, label in zip(orders, labels, strict=True)]


def several_labels(images, classes, seed):
    """Images with labels of very different frequency, some with none."""
    rng = np.random.default_rng(seed)
    present = rng.random((images, classes)) < np.geomspace(0.5, 0.01, classes)
    orders = random.Random(seed).sample(range(10**9), images)
    return [
        Unit(order, 1, tuple((int(label), 1) for label in np.flatnonzero(row)))
        for order, row in zip(orders, present, strict=True)
    ]


def counts_per_split(units, chosen, splits):
    counts = [Counter() for _ in range(splits)]
    for unit, split in zip(units, chosen, strict=True):
        counts[split].update(dict(unit.labels))
    return counts


def shares(*held_out):
    parts = [Fraction(str(share)) for share in held_out]
    return [1 - sum(parts), *parts]


@pytest.mark.parametrize("held_out", [(0.2,), (0.1, 0.15), (0.5, 0.3)])
@pytest.mark.parametrize("seed", range(5))
def test_with_one_label_an_image_every_class_keeps_its_share_to_within_one_image(held_out, seed):
    sizes = [1, 2, 3, 7, 40, 133, 400]
    units = single_labels(sizes, seed)
    counts = counts_per_split(units, stratify(units, shares(*held_out), len(sizes)), len(held_out) + 1)
    for label, size in enumerate(sizes):
        assert counts[0][label] >= 1
        for split, share in enumerate(held_out, 1):
            assert abs(counts[split][label] - size * share) <= 1
    for split, share in enumerate(held_out, 1):
        assert abs(counts[split].total() - sum(sizes) * share) <= 0.5


def test_many_tiny_classes_together_still_fill_the_held_out_split():
    units = single_labels([2] * 1000)
    chosen = stratify(units, shares(0.2), 1000)
    assert chosen.count(1) == 400


@pytest.mark.parametrize("seed", range(5))
def test_with_several_labels_every_class_keeps_its_share_to_within_one_image(seed):
    classes, images = 20, 600
    units = several_labels(images, classes, seed)
    total = counts_per_split(units, [0] * images, 1)[0]

    def images_off(chosen):
        held = counts_per_split(units, chosen, 2)[1]
        return max(abs(held[label] - 0.2 * total[label]) for label in total)

    chosen = stratify(units, shares(0.2), classes)
    drawn = [int(i < images // 5) for i in random.Random(seed).sample(range(images), images)]
    assert images_off(chosen) <= 1 < 5 <= images_off(drawn)
    assert abs(chosen.count(1) - 0.2 * images) <= 1


@pytest.mark.parametrize("seed", range(3))
def test_groups_stay_whole_and_classes_keep_their_share(seed):
    rng = random.Random(seed)
    units = []
    for _ in range(60):
        labels = Counter(rng.choice([rng.randrange(4)] * 3 + [0, 1, 2, 3]) for _ in range(rng.randint(3, 30)))
        units.append(Unit(rng.randrange(10**9), labels.total(), tuple(sorted(labels.items()))))
    chosen = stratify(units, shares(0.2, 0.2), 4)
    counts = counts_per_split(units, chosen, 3)
    totals = counts_per_split(units, [0] * len(units), 1)[0]
    for split, share in enumerate((0.6, 0.2, 0.2)):
        for label in range(4):
            assert abs(counts[split][label] / totals[label] - share) < 0.04


@pytest.mark.parametrize("seed", range(20))
def test_every_class_has_an_image_in_the_first_split(seed):
    rng = random.Random(seed)
    classes = rng.randint(1, 12)
    drawn = [rng.sample(range(classes), rng.randint(0, min(2, classes))) for _ in range(rng.randint(2, 40))]
    units = [Unit(rng.randrange(10**9), 1, tuple((label, 1) for label in sorted(labels))) for labels in drawn]
    held_out = rng.choice([(0.2,), (0.3, 0.3), (0.05, 0.9)])
    chosen = stratify(units, shares(*held_out), classes)
    counts = counts_per_split(units, chosen, len(held_out) + 1)
    assert set(counts[0]) == {label for unit in units for label, _ in unit.labels}


@pytest.mark.parametrize("seed", range(5))
def test_the_result_does_not_depend_on_the_sequence_of_the_units(seed):
    units = several_labels(80, 6, seed)
    chosen = dict(zip(units, stratify(units, shares(0.2, 0.1), 6), strict=True))
    shuffled = random.Random(seed).sample(units, len(units))
    assert dict(zip(shuffled, stratify(shuffled, shares(0.2, 0.1), 6), strict=True)) == chosen


def test_another_order_of_ties_is_another_split():
    first, second = (stratify(single_labels([50, 50], seed), shares(0.2), 2) for seed in (1, 2))
    assert first != second


def test_images_without_any_label_are_shared_out_too():
    units = [Unit(order, 1, ()) for order in range(10)]
    assert stratify(units, shares(0.2, 0.3), 3).count(0) == 5


def test_whole_images_are_apportioned_by_largest_remainder():
    half = [Fraction(1, 2), Fraction(1, 2)]
    assert apportion([3, 3, 0, 1], half) == [[1, 2], [1, 2], [0, 0], [1, 0]]
    assert apportion([4], [Fraction(9, 10), Fraction(1, 10)]) == [[3, 1]]  # at least one, though 0.4 rounds to none
