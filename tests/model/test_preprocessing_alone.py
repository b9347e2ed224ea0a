"""The preprocessing of a checkpoint whose weights are not read."""

from __future__ import annotations

import pytest

from finetune.errors import CheckpointError
from finetune.model import load_preprocessing


@pytest.fixture
def both(recipe, load):
    """``both(folder, image_size_px=48)``: with the model, and of the same checkpoint without its weights."""

    def make(folder, **keys):
        whole = load(folder, **keys).pixels
        for weights in folder.glob("*.safetensors"):
            weights.unlink()
        return whole, load_preprocessing(recipe(folder, **keys))

    return make


@pytest.mark.parametrize("family", ["vit", "distilled", "swin", "beit", "convnext", "resnet"])
def test_it_is_that_of_the_whole_model(checkpoint, both, family):
    whole, alone = both(checkpoint(family))
    assert alone == whole


@pytest.mark.parametrize(
    "keys",
    [
        {"image_size_px": 48},
        {"preprocessing": "card"},
        {"image_size_px": 64, "preprocessing": {"resize": "squash", "resize_px": 64, "crop_px": None}},
    ],
)
def test_it_follows_what_the_recipe_says(checkpoint, both, keys):
    whole, alone = both(checkpoint("vit"), **keys)
    assert alone == whole
    assert alone.size_px == keys.get("image_size_px", 32)


@pytest.mark.parametrize(
    ("family", "keys", "message"),
    [
        ("vit", {"image_size_px": 50}, "50 is no multiple of the checkpoint's patch of 8 px; use 48"),
        ("beit", {"image_size_px": 48}, "is no table of absolute position embeddings"),
        ("vit", {"preprocessing": {"crop_px": 64}}, "gives images of 64 px, but the checkpoint takes 32 px; set"),
    ],
)
def test_a_size_that_the_model_would_refuse_is_refused(checkpoint, recipe, load, family, keys, message):
    folder = checkpoint(family)
    for attempt in (load, lambda *words, **named: load_preprocessing(recipe(*words, **named))):
        with pytest.raises(CheckpointError, match=message):
            attempt(folder, **keys)


def test_a_folder_that_is_no_checkpoint_is_refused(recipe, tmp_path):
    with pytest.raises(CheckpointError, match="has no config"):
        load_preprocessing(recipe(tmp_path))
