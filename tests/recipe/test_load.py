"""From a file or a mapping to a recipe, through one door."""

from __future__ import annotations

from pathlib import Path

import pydantic
import pytest

from finetune.errors import RecipeError
from finetune.recipe import CsvData, FolderData, default_run_name, load_recipe, with_overrides

TEXT = """\
task: multiclass
data: {kind: folder, root: photos}
optim: {epochs: 3, learning_rate: 5e-5, betas: [0.9, 0.98]}
"""


def test_a_file_gives_a_recipe_with_its_values_and_defaults_for_the_rest(write):
    recipe = load_recipe(write(TEXT))
    assert (recipe.optim.epochs, recipe.optim.learning_rate, recipe.optim.betas) == (3.0, 5e-5, (0.9, 0.98))
    assert recipe.optim.batch_size is None
    assert recipe.data == FolderData(kind="folder", root="photos")


def test_a_mapping_may_hold_what_python_has_for_lists_and_paths():
    data = {"kind": "csv", "root": Path("photos"), "label_columns": ("cat", "dog")}
    recipe = load_recipe({"task": "multilabel", "data": data})
    assert recipe.data == CsvData(kind="csv", root="photos", label_columns=["cat", "dog"])


@pytest.mark.parametrize("value", [{1, 2}, object(), b"text"])
def test_a_value_that_no_yaml_file_can_hold_is_named(smallest, value):
    with pytest.raises(RecipeError, match=rf"optim\.epochs: found {type(value).__name__} .*a recipe cannot hold"):
        load_recipe({**smallest, "optim": {"epochs": value}})


def test_a_mapping_that_contains_itself_is_refused(smallest):
    smallest["optim"] = {"schedule_args": smallest}
    with pytest.raises(RecipeError, match="a recipe cannot hold"):
        load_recipe(smallest)


def test_the_run_takes_the_name_of_the_file_unless_it_has_one(write):
    assert load_recipe(write(TEXT, "pets.yaml")).run.name == "pets"
    assert load_recipe(write(f"{TEXT}run: {{name: cats}}\n")).run.name == "cats"
    assert load_recipe({"task": "multiclass", "data": {"kind": "folder", "root": "x"}}).run.name == "run"


def test_the_default_name_of_a_run_is_the_file_name_without_its_suffix():
    assert default_run_name("a/b/pets.v2.yaml") == "pets.v2"


def test_a_recipe_does_not_change_after_loading(smallest):
    recipe = load_recipe(smallest)
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        recipe.optim.epochs = 3


# ---------------------------------------------------------------- overrides


def test_overrides_replace_values_by_dotted_key(write):
    recipe = load_recipe(write(TEXT), {"optim.epochs": 7, "run.seed": 1, "task": "multiclass"})
    assert (recipe.optim.epochs, recipe.run.seed, recipe.optim.learning_rate) == (7.0, 1, 5e-5)


def test_an_override_reaches_into_a_section_that_is_not_written_yet(smallest):
    recipe = load_recipe(smallest, {"data.download.url": "https://example.org/photos.zip"})
    assert recipe.data.download.url == "https://example.org/photos.zip"


def test_an_override_spells_preprocessing_out_where_a_word_stood(smallest):
    recipe = load_recipe({**smallest, "model": {"preprocessing": "auto"}}, {"model.preprocessing.resize_px": 300})
    assert (recipe.model.preprocessing.resize_px, recipe.model.preprocessing.crop_px) == (300, 224)


def test_null_takes_a_value_away(smallest):
    filled = {**smallest, "data": {**smallest["data"], "download": {"url": "https://example.org/photos.zip"}}}
    assert load_recipe(filled, {"data.download": None}).data.download is None


def test_an_override_below_offline_is_one_dotted_key(smallest):
    recipe = load_recipe(smallest, {"offline.model.checkpoint": "bundled:deit-nano"})
    assert recipe.offline == {"model.checkpoint": "bundled:deit-nano"}


def test_another_kind_of_data_replaces_the_section_as_a_whole(smallest):
    recipe = load_recipe(smallest, {"data": {"kind": "csv", "root": "tables"}})
    assert recipe.data == CsvData(kind="csv", root="tables")


def test_an_unknown_override_is_told_apart_from_the_file_and_answered_like_any_key(write):
    with pytest.raises(RecipeError, match=r"optim\.epoch: unknown key; did you mean epochs\? \(an override\)"):
        load_recipe(write(TEXT), {"optim.epoch": 3})


def test_an_override_in_a_section_that_does_not_exist_names_the_nearest(smallest):
    with pytest.raises(RecipeError, match=r"optm: unknown key; did you mean optim\? \(an override\)"):
        load_recipe(smallest, {"optm.epochs": 3})


def test_an_override_of_a_whole_section_is_refused_because_it_would_drop_the_rest(smallest):
    with pytest.raises(RecipeError, match=r"optim: a whole section; set its keys one by one, such as optim\.epochs"):
        load_recipe(smallest, {"optim": {"epochs": 3}})


@pytest.mark.parametrize("key", ["", "optim.", ".epochs", "optim..epochs"])
def test_an_override_needs_a_dotted_key(smallest, key):
    with pytest.raises(RecipeError, match=r"not a dotted key such as optim\.epochs"):
        load_recipe(smallest, {key: 3})


def test_an_override_cannot_hide_that_a_section_is_no_mapping(smallest):
    with pytest.raises(RecipeError, match=r"optim: found 5, expected a mapping"):
        load_recipe({**smallest, "optim": 5}, {"optim.epochs": 3})


def test_an_override_mends_a_fault_of_the_file(write):
    assert load_recipe(write(TEXT.replace("epochs: 3", "epochs: three")), {"optim.epochs": 3}).optim.epochs == 3.0


def test_a_loaded_recipe_is_changed_through_the_same_door(smallest):
    recipe = load_recipe(smallest)
    changed = with_overrides(recipe, {"optim.epochs": 2})
    assert (changed.optim.epochs, recipe.optim.epochs) == (2.0, None)
    assert changed.run.name == "run"
    with pytest.raises(RecipeError, match=r"optim\.epochs: found -1, expected a number above 0"):
        with_overrides(recipe, {"optim.epochs": -1})
