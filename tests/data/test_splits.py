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


# ---------------------------------------------------------------- folds


def folds_of(rows, folds, contents=None, **split):
    """Each row's fold, and a check that the others are train and validation."""
    found = [0] * len(rows)
    for fold in range(1, folds + 1):
        chosen = assign_splits(rows, Split(folds=folds, fold=fold, **split), contents or different(rows))
        for row, name in enumerate(chosen):
            if name == "test":
                assert found[row] == 0  # disjoint
                found[row] = fold
    assert 0 not in found  # complete
    return found


@pytest.mark.parametrize("folds", [2, 3, 5, 7])
@pytest.mark.parametrize("validation", [0.0, 0.2])
def test_folds_are_disjoint_complete_and_differ_by_one_image_of_each_class_at_most(folds, validation):
    rows = rows_of({"a": 33, "b": 20, "c": 9, "d": 7})
    found = folds_of(rows, folds, validation=validation)
    sizes = Counter(found)
    assert max(sizes.values()) - min(sizes.values()) <= 1
    for label in "abcd":
        of_class = Counter(fold for fold, (name,) in zip(found, rows.labels, strict=True) if name == label)
        assert len(of_class) == folds
        assert max(of_class.values()) - min(of_class.values()) <= 1


def test_validation_is_a_fraction_of_the_other_folds_and_never_the_held_out_one():
    rows = rows_of({"a": 50, "b": 50})
    counts = Counter(assign_splits(rows, Split(folds=5, fold=2, validation=0.25), different(rows)))
    assert counts == {"train": 60, "validation": 20, "test": 20}


def test_folds_are_the_same_for_rows_in_any_sequence_and_on_every_machine():
    rows = rows_of({"a": 6, "b": 3})
    found = dict(zip(rows.names, folds_of(rows, 3), strict=True))
    mixed = rows.take(random.Random(0).sample(range(len(rows)), len(rows)))
    assert dict(zip(mixed.names, folds_of(mixed, 3), strict=True)) == found
    first = {name for name, fold in found.items() if fold == 1}
    assert first == {"a/0.jpg", "a/5.jpg", "b/1.jpg"}  # pinned: a change would part runs that belong together


@pytest.mark.parametrize("seed", range(5))
def test_groups_and_equal_images_stay_in_one_fold(seed):
    rows = rows_of({"a": 40, "b": 40})
    rows.groups = [f"person {number % 13}" for number in range(len(rows))]
    contents = different(rows)
    contents[5] = contents[70]
    found = folds_of(rows, 5, contents, seed=seed)
    assert all(len({f for f, g in zip(found, rows.groups, strict=True) if g == group}) == 1 for group in rows.groups)
    assert found[5] == found[70]
    assert max(Counter(found).values()) <= 24


@pytest.mark.parametrize("seed", range(20))
def test_no_fold_takes_all_images_of_a_label(seed):
    rows, rng = rows_of({"x": 60}), random.Random(seed)
    rows.groups = [str(number // 4) for number in range(len(rows))]
    labels = [tuple(name for name in "abcde" if rng.random() < 0.25) for _ in range(10)] + [
        ("a", "b", "c", "d", "e")
    ] * 3
    rows.labels = [labels[int(group) % 13] for group in rows.groups]
    found = folds_of(rows, 3, seed=seed)
    for label in "abcde":
        assert len({fold for fold, names in zip(found, rows.labels, strict=True) if label in names}) > 1


def test_rows_that_are_given_to_training_are_cut_like_those_that_are_given_to_none():
    rows = rows_of({"a": 10}, splits=["train", None] * 5)
    assert Counter(folds_of(rows, 5)) == dict.fromkeys(range(1, 6), 2)


@pytest.mark.parametrize(
    ("counts", "columns", "message"),
    [
        (
            {"a": 9, "rare": 4},
            {},
            r"data.split.folds: found 5, but class 'rare' has only 4 images that may be parted \(groups and equal "
            r"images stay together\); ask for at most 4 folds, or add images of it",
        ),
        ({"a": 9, "rare": 1}, {}, r"class 'rare' has only 1 image that may be parted .*; it can be in one fold only"),
        ({"a": 9, "b": 9}, {"groups": ["x", "y"] * 9}, r"class 'a' has only 2 images that may be parted"),
        (
            {"a": 9, "b": 9},
            {"splits": ["test", "validation", None] * 6},
            r"data.split.folds: the data bring a test split of 6 images and a validation split of 6 images, but with "
            r"folds every image is held out once; drop the given split \(data.split_column: null, ",
        ),
    ],
)
def test_folds_that_cannot_be_cut_say_why(counts, columns, message):
    rows = rows_of(counts, **columns)
    with pytest.raises(DataError, match=message):
        assign_splits(rows, Split(folds=5, fold=1), different(rows))
