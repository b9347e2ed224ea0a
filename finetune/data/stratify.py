"""Cutting images into splits so that every class keeps its share: iterative stratification over units.

A unit is what must stay together: one image, or all images of a group. With one label an image this is the exact
stratified split; with several it is the algorithm of Sechidis, Tsoumakas and Vlahavas, "On the Stratification of
Multi-label Data" (ECML PKDD 2011), with three departures: the share of each label in each split is rounded to whole
images first, so that many rare classes together still fill the held-out splits; afterwards single units move where that
brings all labels together nearer to their shares, which groups of mixed labels need; and every class that occurs gets a
unit in the first split. All decisions are made in whole numbers, so that every machine makes the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

_PASSES = 4
_UNIT_WEIGHT = 2**40  # so that dividing it by a number of images leaves enough of a whole number
_DONE = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Unit:
    """Images that stay together.

    Args:
        order: Ties are broken by it; it must be the same on every machine.
        size: Number of images.
        labels: Distinct class ids, and how many of the images have each.
    """

    order: int
    size: int
    labels: tuple[tuple[int, int], ...]


def stratify(units: Sequence[Unit], shares: Sequence[Fraction], classes: int) -> list[int]:
    """Assign every unit to a split.

    Args:
        units: In any order; the result does not depend on it.
        shares: Of each split, summing to 1; the first split is the one that lacks no class.
        classes: Number of classes; ids are below it.
    Returns:
        For each unit the position of its split in `shares`.

    >>> units = [Unit(order=i, size=1, labels=((i % 2, 1),)) for i in range(10)]
    >>> stratify(units, [Fraction(4, 5), Fraction(1, 5)], classes=2)
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1]
    """
    if not units or len(shares) == 1:
        return [0] * len(units)
    counts, images = label_counts(units, classes), sum(unit.size for unit in units)
    state = _State(units, counts, apportion(counts, shares), apportion([images], shares)[0])
    members = _place(units, state)
    state.give_every_class_to_the_first_split(members)
    return state.split_of


def stratify_evenly(units: Sequence[Unit], folds: int, classes: int) -> list[int]:
    """Assign every unit to one of so many folds of equal shares.

    Args:
        units: In any order; the result does not depend on it.
        folds: Number of folds, at least 2; no class may have fewer units.
        classes: Number of classes; ids are below it.
    Returns:
        For each unit its fold, from 0. With one label an image and no groups, each class differs by at most one image
        between folds, and so do the folds as a whole. No fold has all units of a class.

    >>> units = [Unit(order=i, size=1, labels=((i % 2, 1),)) for i in range(6)]
    >>> stratify_evenly(units, 3, classes=2)
    [0, 0, 1, 1, 2, 2]
    """
    counts = label_counts(units, classes)
    images = [len(range(fold, sum(unit.size for unit in units), folds)) for fold in range(folds)]
    state = _State(units, counts, deal(counts, folds), images)
    state.give_every_class_to_two_folds(_place(units, state))
    return state.split_of


def label_counts(units: Sequence[Unit], classes: int) -> list[int]:
    """Images of each class."""
    counts = [0] * classes
    for unit in units:
        for label, count in unit.labels:
            counts[label] += count
    return counts


def deal(counts: Sequence[int], folds: int) -> list[list[int]]:
    """Whole images of each class for each fold, dealt out like cards, each class going on where the last one ended.

    >>> deal([4, 3], 3)
    [[2, 1, 1], [1, 1, 1]]
    >>> deal([1, 1], 2)
    [[1, 0], [0, 1]]
    """
    dealt, first = [], 0
    for count in counts:
        dealt.append([len(range((fold - first) % folds, count, folds)) for fold in range(folds)])
        first = (first + count) % folds
    return dealt


def _place(units: Sequence[Unit], state: _State) -> list[list[int]]:
    """Assign all units, the rarest label first, and settle them; gives the units of each label."""
    queue = sorted(range(len(units)), key=lambda i: (-units[i].size, units[i].order))
    members = state.members(queue)
    while (label := state.rarest()) is not None:
        for unit in members[label]:
            if state.split_of[unit] < 0:
                state.assign(unit, state.most_wanted(label))
    for unit in queue:
        if state.split_of[unit] < 0:  # no label at all
            state.assign(unit, state.most_wanted(None))
    state.settle(queue)
    return members


class _State:
    """Who still wants how many images of what.

    Args:
        units: All of them.
        counts: Images of each class.
        wanted: Images of each class for each split.
        images_wanted: Images for each split.
    """

    def __init__(
        self, units: Sequence[Unit], counts: Sequence[int], wanted: list[list[int]], images_wanted: list[int]
    ) -> None:
        self.units = units
        self.split_of = [-1] * len(units)
        self.weights = [_UNIT_WEIGHT // count if count else 0 for count in counts]
        self.left = np.array([count or _DONE for count in counts], dtype=np.int64)
        self.wanted, self.images_wanted = wanted, images_wanted
        self.images_weight = _UNIT_WEIGHT // sum(images_wanted)

    def members(self, queue: Sequence[int]) -> list[list[int]]:
        """The units of each label, in the order of the queue."""
        members: list[list[int]] = [[] for _ in self.wanted]
        for unit in queue:
            for label, _ in self.units[unit].labels:
                members[label].append(unit)
        return members

    def rarest(self) -> int | None:
        """The label with the fewest images that are not assigned yet."""
        label = int(self.left.argmin()) if len(self.left) else None
        return None if label is None or self.left[label] == _DONE else label

    def most_wanted(self, label: int | None) -> int:
        """The split that lacks most images of a label, then most images in all, then the first."""
        splits = range(len(self.images_wanted))
        if label is None:
            return max(splits, key=lambda split: (self.images_wanted[split], -split))
        wanted = self.wanted[label]
        return max(splits, key=lambda split: (wanted[split], self.images_wanted[split], -split))

    def assign(self, unit: int, split: int) -> None:
        self.split_of[unit] = split
        self.images_wanted[split] -= self.units[unit].size
        for label, count in self.units[unit].labels:
            self.wanted[label][split] -= count
            left = int(self.left[label]) - count
            self.left[label] = left or _DONE

    def settle(self, queue: Sequence[int]) -> None:
        """Move single units while that lowers the sum of squared lack over images, over all labels and splits."""
        for _ in range(_PASSES):
            moved = False
            if not any(map(any, self.wanted)) and not any(self.images_wanted):
                return
            for unit in queue:
                here = self.split_of[unit]
                costs = [self._cost(self.units[unit], here, there) for there in range(len(self.images_wanted))]
                there = min(range(len(costs)), key=lambda split: (costs[split], split))
                if costs[there] < 0:
                    self._move(unit, here, there)
                    moved = True
            if not moved:
                return

    def _cost(self, unit: Unit, here: int, there: int) -> int:
        """What moving a unit adds to the sum; (lack + k)² - lack² here and (lack - k)² - lack² there, halved."""
        if here == there:
            return 0
        images = self.images_wanted
        cost = self.images_weight * unit.size * (images[here] - images[there] + unit.size)
        for label, count in unit.labels:
            lack = self.wanted[label]
            cost += self.weights[label] * count * (lack[here] - lack[there] + count)
        return cost

    def _move(self, unit: int, here: int, there: int) -> None:
        self.split_of[unit] = there
        for lack, count in [
            (self.images_wanted, self.units[unit].size),
            *((self.wanted[label], count) for label, count in self.units[unit].labels),
        ]:
            lack[here] += count
            lack[there] -= count

    def give_every_class_to_the_first_split(self, members: Sequence[Sequence[int]]) -> None:
        """Rarer labels may have taken all units of a label elsewhere; its smallest unit is taken back."""
        for units in members:
            if units and all(self.split_of[unit] for unit in units):
                self.split_of[units[-1]] = 0

    def give_every_class_to_two_folds(self, members: list[list[int]]) -> None:
        """Settling groups of mixed labels may have left a label in one fold; its smallest unit moves to the next."""
        for units in members * _PASSES:  # a unit that moves may gather another of its labels
            if len(units) > 1 and len({self.split_of[unit] for unit in units}) == 1:
                self.split_of[units[-1]] = (self.split_of[units[-1]] + 1) % len(self.images_wanted)


def apportion(counts: Sequence[int], shares: Sequence[Fraction]) -> list[list[int]]:
    """Whole images of each class for each split, by largest remainder over all classes.

    The held-out splits together get the rounded share of all images, and at least one; the first split keeps at
    least one image of every class that has any.

    >>> apportion([5, 5, 2, 1], [Fraction(4, 5), Fraction(1, 5)])
    [[4, 1], [4, 1], [1, 1], [1, 0]]
    """
    held_out = [[int(count * share) for share in shares[1:]] for count in counts]
    room = [count - 1 - sum(taken) if count else 0 for count, taken in zip(counts, held_out, strict=True)]
    for split, share in enumerate(shares[1:]):
        wanted = max(1 if share else 0, round(sum(counts) * share)) - sum(taken[split] for taken in held_out)
        by_remainder = sorted(range(len(counts)), key=lambda label: (-(counts[label] * share % 1), label))
        for label in by_remainder:
            if wanted > 0 and room[label] > 0:
                held_out[label][split] += 1
                room[label] -= 1
                wanted -= 1
    return [[count - sum(taken), *taken] for count, taken in zip(counts, held_out, strict=True)]
