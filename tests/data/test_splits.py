import random
from collections import Counter

import pytest

from finetune.data.rows import Rows
from finetune.data.splits import assign_splits
from finetune.errors import DataError
from finetune.recipe.sections import Split


def rows_of(counts, **columns):
    names = [f"{label}/{number}.jpg" for label, count in counts.items() for number in range(count)]
    return Rows(
        paths=[f"/x/{name}" for name in names], names=names, labels=[(name.split("/")[0],) for name in names], **columns
    )


def different(rows):
    return [name.encode() for name in rows.names]


def assigned(rows, **split):
    return dict(zip(rows.names, assign_splits(rows, Split(**split), different(rows)), strict=True))


def test_a_cut_split_is_the_same_for_rows_in_any_sequence_and_below_any_root():
    rows = rows_of({"a": 30, "b": 11})
    mixed = rows.take(random.Random(0).sample(range(len(rows)), len(rows)))
    mixed.paths = [f"/elsewhere/{name}" for name in mixed.names]
    assert assigned(mixed, validation=0.2, test=0.1) == assigned(rows, validation=0.2, test=0.1)


def test_a_cut_split_is_the_same_on_every_machine():
    chosen = assigned(rows_of({"a": 10, "b": 5}), validation=0.2, seed=42)
    held_out = {name for name, split in chosen.items() if split == "validation"}
    assert held_out == {"a/4.jpg", "a/6.jpg", "b/2.jpg"}  # pinned: a change would part runs that belong together


def test_another_seed_is_another_split():
    rows = rows_of({"a": 30})
    assert assigned(rows, seed=1) != assigned(rows, seed=2)


def test_adding_an_image_moves_few_others():
    before, after = assigned(rows_of({"a": 100})), assigned(rows_of({"a": 101}))
    assert sum(before[name] != after[name] for name in before) <= 2


def test_given_splits_stay_as_they_are():
    given = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    rows = rows_of({"a": 10}, splits=given)
    assert assign_splits(rows, Split(validation=0.5, test=0.4), different(rows)) == given


def test_a_missing_test_split_is_cut_from_training_alone():
    rows = rows_of({"a": 20, "b": 20}, splits=["train", "validation"] * 20)
    chosen = assigned(rows, validation=0.2, test=0.5)
    counts = Counter((split, name[0]) for name, split in chosen.items())
    assert counts == {
        (split, label): n for split, n in (("train", 5), ("validation", 10), ("test", 5)) for label in "ab"
    }


def test_a_missing_validation_split_is_not_cut_if_none_is_asked_for():
    rows = rows_of({"a": 4}, splits=["train", "train", "test", "test"])
    assert assign_splits(rows, Split(validation=0.0), different(rows)) == rows.splits


def test_without_fractions_everything_is_for_training():
    rows = rows_of({"a": 1, "b": 3})
    assert set(assigned(rows, validation=0.0).values()) == {"train"}


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_in_one_split(seed):
    rows = rows_of({"a": 40, "b": 40})
    rows.groups = [f"person {number % 13}" for number in range(len(rows))]
    chosen = assign_splits(rows, Split(validation=0.25, test=0.1, seed=seed), different(rows))
    assert all(len({s for s, g in zip(chosen, rows.groups, strict=True) if g == group}) == 1 for group in rows.groups)
    assert 0.15 < chosen.count("validation") / len(rows) < 0.35


def test_rows_without_a_group_stand_alone():
    rows = rows_of({"a": 20}, groups=[""] * 20)
    assert Counter(assign_splits(rows, Split(validation=0.2), different(rows))) == {"train": 16, "validation": 4}


@pytest.mark.parametrize("seed", range(5))
def test_images_of_the_same_bytes_are_never_parted_by_a_cut(seed):
    rows = rows_of({"a": 20, "b": 20})
    contents = [str(number % 10).encode() for number in range(len(rows))]
    chosen = assign_splits(rows, Split(validation=0.3, seed=seed), contents)
    assert all(chosen[row] == chosen[row % 10] for row in range(len(rows)))
    assert "validation" in chosen


def test_a_group_that_given_splits_part_is_refused():
    rows = rows_of({"a": 4}, splits=["train", "train", "validation", "validation"], groups=["x", "y", "y", "z"])
    with pytest.raises(DataError, match=r"a/2.jpg: group 'y' is in validation, but in train at a/1.jpg"):
        assign_splits(rows, Split(), different(rows))


def test_a_single_image_of_a_class_stays_in_training():
    chosen = assigned(rows_of({"a": 10, "rare": 1}), validation=0.4, test=0.4)
    assert chosen["rare/0.jpg"] == "train"


def test_a_split_that_cannot_be_cut_says_why_and_what_to_do():
    with pytest.raises(
        DataError,
        match=r"data.split.validation: 0.2 of 2 images \(2 that may be parted, 2 classes\) cannot be held out, because "
        r"training keeps one of every class; add images, or set data.split.validation: 0",
    ):
        assigned(rows_of({"a": 1, "b": 1}), validation=0.2)
