"""recipes/deit_base_imagenet.yaml: the paper's numbers, and two steps of it on a tiny folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from finetune.recipe import load_recipe

FILE = Path(__file__).parents[2] / "recipes/deit_base_imagenet.yaml"


@pytest.fixture
def tiny_imagenet(image_folder, tmp_path):
    """Class folders by WordNet id below train/ and val/."""
    for number, folder in enumerate(sorted(image_folder.iterdir())):
        for split, images in (("train", range(6)), ("val", range(6, 8))):
            target = tmp_path / "imagenet" / split / f"n0144076{number}"
            target.mkdir(parents=True)
            for i in images:
                shutil.copy(folder / f"{i}.png", target)
    return tmp_path / "imagenet"


def test_it_says_what_table_9_says():
    recipe = load_recipe(FILE)
    optim = recipe.optim
    assert (optim.epochs, optim.batch_size, optim.learning_rate, optim.weight_decay) == (300, 1024, 1e-3, 0.05)
    assert (optim.epochs * optim.warmup_fraction, optim.schedule, optim.ema_decay) == (
        pytest.approx(5),
        "cosine",
        0.99996,
    )
    assert (recipe.model.weights, recipe.model.drop_path, recipe.loss.label_smoothing) == ("random", 0.1, 0.1)
    augment = recipe.augment
    assert (augment.rand_augment_magnitude, augment.rand_augment_probability, augment.repeats) == (9, 0.5, 3)
    assert (augment.rand_augment_operations, augment.rand_augment_magnitude_std) == (2, 0.5)
    assert (augment.mixup_alpha, augment.cutmix_alpha, augment.erasing) == (0.8, 1.0, 0.25)
    assert (augment.mix_probability, augment.cutmix_share, augment.horizontal_flip) == (1.0, 0.5, 0.5)
    assert (augment.crop_scale, optim.optimizer, optim.max_grad_norm) == ((0.08, 1.0), "adamw", 0.0)


@pytest.mark.parametrize("checkpoint", ["tiny_vit", "tiny_distilled"])
def test_two_steps_of_it_run(checkpoint, tiny_imagenet, tmp_path, request):
    from finetune.training import train

    overrides = {
        "data.root": str(tiny_imagenet), "model.checkpoint": str(request.getfixturevalue(checkpoint)),
        "optim.batch_size": 8, "optim.max_steps": 2, "run.root": str(tmp_path / "runs"), "run.device": "cpu",
        "run.tracking": [],
    }  # fmt: skip
    run = train(load_recipe(FILE, overrides))
    record = run.read_record()
    assert record["status"] == "finished"
    assert record["checkpoint"]["weights"] == "random"
    assert sorted(record["best"]) == ["accuracy", "step", "weights"]
    assert run.read_history()[0]["scores"].keys() == {"raw", "ema"}
