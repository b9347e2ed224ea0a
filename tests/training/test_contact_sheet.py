"""deit-finetune show: what is on the picture."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from finetune.cli import OK, USERS_MISTAKE, main
from finetune.data import load_splits
from finetune.model import choose_task, load_with_new_head
from finetune.recipe import dump_recipe
from finetune.training.contact_sheet import EPOCHS, write_contact_sheet
from finetune.training.views import Sights


@pytest.fixture
def sights_of():
    def make(recipe) -> Sights:
        splits = load_splits(recipe)
        return Sights(recipe, splits, load_with_new_head(recipe, splits.labels, choose_task(recipe)).pixels)

    return make


def test_views_without_augmentation_are_the_evaluation_view(recipe_for, sights_of):
    for sight in sights_of(recipe_for(**{"augment.preset": "none"})).of(3, 2):
        assert all(view.image == sight.evaluation.image for view in sight.epochs)
        assert all(view.shares == sight.original.shares for view in sight.epochs)


def test_images_are_spread_over_the_classes(recipe_for, sights_of):
    shares = [sight.original.shares for sight in sights_of(recipe_for()).of(3, 1)]
    assert shares == [[("circle", 1.0)], [("cross", 1.0)], [("square", 1.0)]]


def test_a_view_is_what_training_gives_in_that_epoch(recipe_for, sights_of, trainer_for):
    recipe = recipe_for(**{"augment.preset": "deit", "augment.mix_probability": 0.0, "optim.batch_size": 18})
    trainer = trainer_for(recipe)
    trainer.loader.set_epoch(1)
    batch = trainer.vary(next(iter(trainer.loader)))
    first_copies = {int(image): at for at, image in reversed(list(enumerate(batch["images"].tolist())))}
    sights = sights_of(recipe).of(18, 2)
    views = [torch.from_numpy(np.array(sight.epochs[1].image)).permute(2, 0, 1) for sight in sights]
    expected = [(batch["pixels"][at] * 255).round().clamp(0, 255).byte() for at in first_copies.values()]
    assert len(first_copies) == 6
    assert all(any(torch.equal(wanted, view) for view in views) for wanted in expected)


def test_mixed_views_name_both_labels_with_their_shares(recipe_for, sights_of, multilabel):
    recipe = recipe_for(**multilabel, **{"augment.mixup_alpha": 1.0})
    shares = [view.shares for sight in sights_of(recipe).of(4, 3) for view in sight.epochs]
    assert any(0 < share < 1 for found in shares for _, share in found)
    assert all(found == sorted(found, key=lambda pair: -pair[1]) for found in shares)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_the_sheet_has_a_row_for_each_image_and_a_column_for_each_view(recipe_for, multilabel, tmp_path, task):
    overrides = multilabel if task == "multilabel" else {}
    sizes = []
    for images in (2, 3):
        recipe = recipe_for(**overrides, **{"augment.preset": "deit"})
        with Image.open(write_contact_sheet(recipe, images, tmp_path / "new/sheet.png")) as sheet:
            assert sheet.format == "PNG"
            sizes.append(sheet.size)
    assert sizes[0][0] == sizes[1][0] > (2 + EPOCHS) * 192
    assert sizes[1][1] - sizes[0][1] > 192


def test_show_writes_the_picture_beside_the_user_and_says_where(recipe_for, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(dump_recipe(recipe_for()))
    assert main(["show", "recipe.yaml", "--set", "augment.preset=three_augment", "--images", "2"]) == OK
    assert capsys.readouterr().out == "tiny-augmented.png\n"
    assert (tmp_path / "tiny-augmented.png").is_file()
    assert not (tmp_path / "runs").exists()


def test_show_reads_no_weights(recipe_for, tiny_vit, tmp_path):
    light = tmp_path / "light"
    shutil.copytree(tiny_vit, light, ignore=shutil.ignore_patterns("*.safetensors"))
    found = write_contact_sheet(recipe_for(**{"model.checkpoint": str(light)}), 2, tmp_path / "light.png")
    whole = write_contact_sheet(recipe_for(), 2, tmp_path / "whole.png")
    assert found.read_bytes() == whole.read_bytes()


def test_show_says_what_is_wrong_with_a_recipe(recipe_for, tmp_path, capsys):
    (tmp_path / "recipe.yaml").write_text(dump_recipe(recipe_for()))
    assert main(["show", str(tmp_path / "recipe.yaml"), "--set", "augment.preset=strong"]) == USERS_MISTAKE
    assert "expected none, light, deit or three_augment" in capsys.readouterr().err
