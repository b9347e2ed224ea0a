"""Augmentation on the device, inside a run."""

from __future__ import annotations

import math

import pytest
import torch
from PIL import Image

from finetune.errors import DataError, RecipeError
from finetune.pixels.augmentation.mixing import check_pieces_can_mix
from finetune.recipe.augmentation import PRESETS
from finetune.training import train
from finetune.training.batches import Draw

UNMIXED = {"augment.mixup_alpha": 0.0, "augment.cutmix_alpha": 0.0}


@pytest.fixture(params=["multiclass", "multilabel"])
def task_overrides(request, multilabel):
    return multilabel if request.param == "multilabel" else {}


@pytest.mark.parametrize("preset", ["deit", "three_augment"])
def test_the_first_loss_of_mixed_images_is_that_of_a_head_that_knows_nothing(
    recipe_for, trainer_for, task_overrides, preset
):
    """Whatever the targets, about: ln 3 for three classes, ln 2 for each label (multilabel)."""
    steps = {"optim.max_steps": 2, "run.log_every_steps": 1, "optim.learning_rate": 1e-3}
    trainer = trainer_for(recipe_for(**task_overrides, **steps, **{"augment.preset": preset}))
    before = trainer.model.classifier.weight.detach().clone()
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[0] == pytest.approx(math.log(2 if task_overrides else 3), abs=0.3)
    assert not torch.equal(trainer.model.classifier.weight, before)


def test_the_loss_of_mixed_images_is_the_mixed_loss(recipe_for, trainer_for):
    """Cross-entropy is linear in its targets."""
    trainer = trainer_for(recipe_for(**{"augment.mixup_alpha": 0.8}))
    batch = trainer.vary(next(iter(trainer.loader)))
    with torch.no_grad():
        outputs = trainer.model(pixel_values=trainer.pixels.normalise(batch["pixels"]))
    losses = -(outputs.logits.log_softmax(dim=1) * batch["targets"]).sum(dim=1)
    assert float(trainer.objective(outputs, batch)) == pytest.approx(float(losses.sum()), rel=1e-5)
    assert ((batch["targets"] > 0).sum(dim=1) == 2).any()


@pytest.mark.parametrize("processes", [1, 2])
def test_what_an_image_gets_does_not_depend_on_the_process_it_lands_in(recipe_for, trainer_for, processes):
    trainer = trainer_for(recipe_for(**{"augment.preset": "deit", **UNMIXED}))
    draws = [Draw(0, image, 0, 1.0) for image in range(6)]
    images = trainer.loader.dataset
    shares = [trainer.vary(images.__getitems__(draws[rank::processes]))["pixels"] for rank in range(processes)]
    alone = torch.cat([trainer.vary(images.__getitems__([draw]))["pixels"] for draw in draws])
    assert all(torch.equal(share, alone[rank::processes]) for rank, share in enumerate(shares))


def test_mixing_unknown_labels_is_refused_before_training_and_leaves_no_run(recipe_for, tmp_path):
    (tmp_path / "images").mkdir()
    rows = ["filename,circle,cross,square"]
    for i in range(12):
        Image.new("RGB", (40, 40), (20 * i, 0, 0)).save(tmp_path / "images" / f"{i}.png")
        rows.append(f"{i}.png," + ("1,0," if i % 2 else "0,1,1"))
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    columns = ["circle", "cross", "square"]
    data = {"kind": "csv", "root": str(tmp_path), "label_columns": columns, "split": {"validation": 0.25}}
    with pytest.raises(DataError, match=r"training images have labels that nobody knows .* mixup and cutmix cannot"):
        train(recipe_for(task="multilabel", data=data, **{"augment.preset": "deit"}))
    assert not list(tmp_path.glob("runs/tiny*"))


def test_mixing_in_pieces_of_one_image_is_refused_before_training_and_leaves_no_run(recipe_for, tmp_path):
    pieces = {"augment.mixup_alpha": 0.8, "optim.batch_size": 6, "optim.accumulation_steps": 4, "optim.max_steps": 1}
    with pytest.raises(
        RecipeError,
        match=r"optim\.batch_size: found 6, of which 4 accumulation_steps x 1 processes make pieces of one image, "
        r"which mixup and cutmix would mix with itself; expected at least 8, or fewer optim\.accumulation_steps, or",
    ):
        train(recipe_for(**pieces))
    assert not list(tmp_path.glob("runs/tiny*"))
    train(recipe_for(**pieces | {"optim.accumulation_steps": 3}))


def test_every_process_takes_its_share_of_a_batch_that_is_mixed():
    check_pieces_can_mix(PRESETS["deit"], 16, 2, 4)
    check_pieces_can_mix(PRESETS["light"], 16, 4, 16)  # mixes nothing
    with pytest.raises(RecipeError, match=r"2 accumulation_steps x 5 processes .* expected at least 20"):
        check_pieces_can_mix(PRESETS["deit"], 16, 2, 5)
