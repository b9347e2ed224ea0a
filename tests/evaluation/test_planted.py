"""Wrong labels planted among real digits, found by whole runs: a linear head on the bundled model's features."""

from __future__ import annotations

import csv
from collections import Counter

import pytest

from finetune.data.bundled import bundled_root
from finetune.recipe import load_recipe
from finetune.training import train

LEARNED, HELD_OUT = 20, 15  # images of each digit


@pytest.fixture
def suspected_by(tmp_path):
    """A function that trains where some of the held-out labels are others, and returns what is suspected."""

    def run(given):
        rows = []
        for folder in sorted(bundled_root("digits").iterdir()):
            for i, image in enumerate(sorted(folder.glob("*.png"))[: LEARNED + HELD_OUT]):
                split = "train" if i < LEARNED else "validation"
                label = given(image, folder.name) if split == "validation" else folder.name
                rows.append((image, label, split))
        with (tmp_path / "labels.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([("image", "label", "split"), *rows])
        table = {"kind": "csv", "root": str(tmp_path), "file": "labels.csv", "images": ".", "path_column": "image"}
        recipe = {
            "task": "multiclass",
            "data": {**table, "label_column": "label", "split_column": "split"},
            "model": {"checkpoint": "bundled:deit-nano", "train": "probe"},
            "run": {"root": str(tmp_path), "name": "run", "tracking": []},
        }
        return train(load_recipe(recipe)).read_label_errors()

    return run


def test_a_wrong_label_is_the_first_suspect_with_at_most_three_false_alarms(suspected_by):
    wrong = sorted((bundled_root("digits") / "4").glob("*.png"))[LEARNED]
    found = suspected_by(lambda image, digit: "7" if image == wrong else digit)
    first = found["images"][0]
    assert (first["path"], first["given"], first["suspected"]) == (str(wrong), ["7"], ["4"])
    assert len(found["images"]) <= 4
    assert found["classes"] == []


def test_two_classes_that_are_swapped_in_the_held_out_images_are_named(suspected_by):
    swap = {"3": "6", "6": "3"}
    found = suspected_by(lambda image, digit: swap.get(digit, digit))
    pairs = Counter((row["given"], row["suspected"]) for row in found["classes"])
    assert pairs == {("3", "6"): 1, ("6", "3"): 1}
