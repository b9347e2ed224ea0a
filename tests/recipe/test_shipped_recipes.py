"""The recipes that come with the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune.recipe import load_recipe, offline_recipe
from finetune.recipe.augmentation import choose_augmentation
from finetune.recipe.options import load_options
from finetune.recipe.schema import OPTIONS

FOLDER = Path(__file__).parents[2] / "recipes"
RECIPES = sorted(path for path in FOLDER.glob("*.yaml") if path.stem not in OPTIONS)
SHIPPED = sorted(FOLDER.glob("*.yaml"))


def test_there_are_recipes():
    assert {path.stem for path in RECIPES} >= {"fridge_multiclass", "fridge_multilabel", "digits", "digits_multilabel"}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_a_shipped_recipe_loads_and_is_named_after_its_file(path):
    assert load_recipe(path).run.name == path.stem


@pytest.mark.parametrize("verb", OPTIONS)
def test_the_shipped_options_of_a_verb_are_for_the_run_that_make_demo_trains(verb):
    assert load_options(OPTIONS[verb], FOLDER / f"{verb}.yaml").run == "runs/fridge_multiclass"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_its_header_names_the_schema_the_command_and_what_was_measured(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    schema = path.stem if path.stem in OPTIONS else "recipe"
    assert lines[0] == f"# yaml-language-server: $schema=../finetune/assets/{schema}.schema.json"
    header = [line for line in lines if line.startswith("#")]
    for word in ("command ", "measured ", "hardware ", "minutes "):
        assert any(line.startswith(f"#   {word}") for line in header), word
    verb = f"{path.stem} " if path.stem in OPTIONS else ""
    assert f"#   command   deit-finetune {verb}recipes/{path.name}" in header


WITH_IMAGES = [path for path in RECIPES if path.stem not in ("deit_base_imagenet", "pretrain_nano")]


@pytest.mark.parametrize("path", WITH_IMAGES, ids=lambda path: path.name)
def test_it_runs_without_a_network_by_its_own_offline_section(path):
    recipe = offline_recipe(load_recipe(path), checkpoint=True, data=True)
    assert recipe.model.checkpoint == "bundled:deit-nano"
    assert recipe.data.root.startswith("bundled:")


@pytest.mark.parametrize(
    ("name", "task", "archive"),
    [
        ("fridge_multiclass", "multiclass", "fridgeObjects"),
        ("fridge_multilabel", "multilabel", "multilabelFridgeObjects"),
    ],
)
def test_the_fridge_recipes_name_the_real_thing(name, task, archive):
    recipe = load_recipe(FOLDER / f"{name}.yaml")
    assert (recipe.task, recipe.model.checkpoint) == (task, "facebook/deit-base-patch16-224")
    assert recipe.data.download.url == (
        f"https://automlsamplenotebookdata-adcuc7f7bqhhh8a4.b02.azurefd.net/image-classification/{archive}.zip"
    )


def test_the_pre_training_draws_its_images_and_its_weights():
    recipe = load_recipe(FOLDER / "pretrain_nano.yaml")
    assert (recipe.data.kind, recipe.data.classes) == ("formula", 1000)
    assert (recipe.model.checkpoint, recipe.model.weights) == ("bundled:deit-nano", "random")


def test_digits_are_never_mirrored():
    for name in ("digits", "digits_multilabel"):
        augment = choose_augmentation(load_recipe(FOLDER / f"{name}.yaml").augment)
        assert (augment.horizontal_flip, augment.vertical_flip) == (0.0, 0.0)
