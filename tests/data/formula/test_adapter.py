"""``data.kind: formula``: an adapter like any other."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from finetune.data import check_data, targets
from finetune.data.decoded import DecodedImages
from finetune.data.formula import FormulaName, draw, draw_named, parse_name
from finetune.data.images import ImageError, decode, pixel_count
from finetune.errors import RecipeError
from finetune.recipe import load_recipe

DATA = {"kind": "formula", "family": "mixed", "classes": 12, "instances": 10, "image_size_px": 32, "seed": 3}


def cli(*words, cwd):
    done = subprocess.run([sys.executable, "-m", "finetune", *map(str, words)], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def recipe_file(tmp_path, tiny_vit):
    recipe = {
        "task": "multiclass",
        "data": DATA,
        "model": {"checkpoint": str(tiny_vit)},
        "augment": {"preset": "none"},
        "optim": {"preset": "plain", "epochs": 1, "batch_size": 16},
        "run": {"root": str(tmp_path / "runs"), "name": "formulas", "tracking": []},
    }
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(recipe))
    return file


def test_there_is_a_row_for_each_instance_of_each_class(load):
    splits = load(**DATA)
    assert {name: len(table) for name, table in splits.datasets.items()} == {"train": 96, "validation": 24}
    assert splits.labels.names[:2] == ("mixed 0000", "mixed 0001")
    assert np.bincount(targets(splits.datasets["validation"])).tolist() == [2] * 12
    assert splits.findings.sizes == ((32, 32),) * 3
    assert dict(splits.findings.looks) == {"drawn RGB": 120}


def test_what_is_decoded_is_what_the_formula_draws(load):
    table = load(**DATA).datasets["train"]
    images = DecodedImages(table, keep_mb=0)
    name = parse_name(table[7]["path"])
    drawn = draw("mixed", 3, 32, np.array([name.class_number]), np.array([name.instance]))[0]
    assert np.array_equal(np.asarray(images[7]), drawn.transpose(1, 2, 0))


@pytest.mark.parametrize(("keep_mb", "kept"), [(0, False), (1, True)])
def test_images_drawn_together_are_those_drawn_one_by_one_and_are_kept_while_they_fit(load, keep_mb, kept):
    images = DecodedImages(load(**DATA).datasets["train"], keep_mb=keep_mb)
    assert images.all_kept is kept
    together = images.drawn([5, 3, 5])
    assert set(together) == {3, 5}
    for index, image in together.items():
        assert (images[index] is image) is kept
        assert images[index].tobytes() == image.tobytes()


def test_nothing_is_drawn_for_images_that_are_files(image_folder, load):
    assert DecodedImages(load(kind="folder", root=image_folder).datasets["train"]).drawn([0, 1]) == {}


def test_other_formulas_are_other_data(load):
    prints = {
        load(**{**DATA, key: value}).source["fingerprint"]
        for key, value in (("seed", 3), ("seed", 4), ("family", "fractals"), ("image_size_px", 16), ("instances", 11))
    }
    assert len(prints) == 5


def test_a_name_that_no_formula_has_is_a_missing_image():
    for name in ("formula:fractals/0/32px/0001", "formula:spirals/0/32px/0001/00001", "formula:fractals/0/0px/1/1"):
        with pytest.raises(ImageError, match="missing"):
            decode(name)


def test_a_name_says_how_large_the_image_is():
    name = FormulaName("contours", 0, 24, 1, 2).text
    assert pixel_count(name) == 24 * 24
    assert decode(name).size == (24, 24)
    assert [image.size for image in draw_named([name, FormulaName("fractals", 0, 16, 1, 2).text])] == [
        (24, 24),
        (16, 16),
    ]


def test_a_name_of_an_image_that_no_recipe_could_ask_for_is_not_drawn():
    with pytest.raises(ImageError, match="missing"):
        decode(FormulaName("contours", 9, 96_000, 1, 3).text)
    assert decode(FormulaName("contours", 9, 8, 1, 3).text).size == (8, 8)


def test_more_images_than_can_be_listed_are_refused_with_both_keys():
    data = {**DATA, "classes": 1_000_000, "instances": 1_000_000}
    with pytest.raises(RecipeError, match=r"1000000 classes of 1000000 are 1,000,000,000,000 images; at most"):
        load_recipe({"task": "multiclass", "data": data})


def test_check_counts_what_will_be_drawn(recipe_file):
    findings = check_data(load_recipe(recipe_file))
    assert findings.faults == []
    printed = cli("check", recipe_file, cwd=recipe_file.parent)
    assert "120 images, 96 train, 24 validation" in printed
    assert "no faults" in printed


def test_show_draws_originals_and_what_the_model_sees(recipe_file, tmp_path):
    cli("show", recipe_file, "--out", tmp_path / "sheet.png", cwd=tmp_path)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert len(sheet.convert("RGB").getcolors(2**24) or []) > 100


def test_training_on_formulas_ends_in_an_ordinary_run_folder(recipe_file, tmp_path):
    cli(recipe_file, cwd=tmp_path)
    run = tmp_path / "runs" / "formulas"
    assert json.loads((run / "model" / "config.json").read_text())["id2label"]["11"] == "mixed 0011"
    assert json.loads((run / "metrics.json").read_text())["validation"]["images"] == 24
