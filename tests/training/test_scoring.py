"""How a split is handed to the forward pass."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.data import DecodedImages, load_splits
from finetune.recipe import load_recipe
from finetune.training.scoring import Share


@pytest.fixture
def formulas():
    """100 images that formulas make, none of which is kept."""
    data = {
        "kind": "formula", "family": "mixed", "classes": 10, "instances": 10, "image_size_px": 16, "seed": 3,
        "split": {"validation": 0},
    }  # fmt: skip
    recipe = load_recipe({"task": "multiclass", "data": data})
    return DecodedImages(load_splits(recipe).datasets["train"], keep_mb=0)


def test_images_of_formulas_are_drawn_in_blocks_each_once_and_are_those_that_were_asked_for(formulas, monkeypatch):
    asked, draw = [], formulas.drawn
    monkeypatch.setattr(formulas, "drawn", lambda indices: asked.append(list(indices)) or draw(indices))
    part = list(range(99, 9, -1))
    share = Share(formulas, part)
    shown = [np.asarray(share[place]) for place in range(len(share))]
    assert asked == [part[:64], part[64:]]
    for number, pixels in zip(part, shown, strict=True):
        assert np.array_equal(pixels, np.asarray(formulas[number]))


def test_files_are_read_one_by_one(image_folder):
    recipe = load_recipe({"task": "multiclass", "data": {"kind": "folder", "root": str(image_folder)}})
    images = DecodedImages(load_splits(recipe).datasets["train"], keep_mb=0)
    share = Share(images, [3, 1])
    assert [share[0].tobytes(), share[1].tobytes()] == [images[3].tobytes(), images[1].tobytes()]
