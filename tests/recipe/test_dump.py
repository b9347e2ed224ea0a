"""A recipe as YAML and back."""

from __future__ import annotations

import pytest

from finetune.recipe import dump_recipe, load_recipe
from finetune.recipe.keys import leaf_keys

FULL = {
    "task": "multilabel",
    "data": {
        "kind": "csv", "root": "C:\\photos: new", "file": {"train": "a.csv", "validation": "no"}, "delimiter": "\t",
        "label_separator": " ", "label_columns": ["null", "true", "5e-5", "1", "größer", "# x", "a: b", "", "-"],
        "download": {"url": "https://example.org/x.zip", "sha256": "0" * 64},
    },
    "model": {"preprocessing": {"mean": [0.5, 0.5, 0.5]}, "image_size_px": 224},
    "augment": {"crop_scale": None},
    "optim": {"learning_rate": 1.0000000000000002e-4, "schedule_args": {"nested": [1, {"2.0": 2.0, "n": None}, True]}},
    "run": {"name": "2024-01-31", "tracking": []},
    "offline": {"data.root": "bundled:digits", "optim.learning_rate": 5e-4},
}  # fmt: skip


@pytest.mark.parametrize("tree", [{"task": "multiclass", "data": {"kind": "folder", "root": "photos"}}, FULL])
def test_a_dumped_recipe_loads_as_the_same_recipe(write, tree):
    recipe = load_recipe(tree)
    again = load_recipe(write(dump_recipe(recipe)))
    assert again == recipe
    assert repr(again) == repr(recipe)  # types too: 2.0 is not 2


def test_a_dump_is_short_and_has_a_block_per_section(smallest):
    text = dump_recipe(load_recipe(smallest))
    assert text.startswith("task: multiclass\n\ndata:\n  kind: folder\n  root: photos\n  split: {validation: 0.2, ")
    assert "  epsilon: 1e-8\n" in text
    assert "  betas: [0.9, 0.999]\n" in text
    assert text.endswith("\n\noffline: {}\n")
    assert len(text.splitlines()) < 120


def test_a_dump_says_every_key(smallest):
    text = dump_recipe(load_recipe({**smallest, "distill": {"teacher": "x"}}))
    other_kinds = {key for key in leaf_keys() if key.startswith("data.") and f"  {key[5:]}:" not in text}
    words = {key.rpartition(".")[2] for key in leaf_keys() if key not in other_kinds and "preprocessing." not in key}
    assert [word for word in words if f"{word}:" not in text] == []
