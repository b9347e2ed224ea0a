"""From what is on the disk to a recipe file that loads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from finetune.errors import DataError, RecipeError
from finetune.proposal import propose, write_proposal
from finetune.recipe import FolderData, load_recipe

CLASSES = ("photos/cat/1.jpg", "photos/cat/2.jpg", "photos/dog/1.jpg", "photos/dog/2.jpg")


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_class_folders_make_a_multiclass_recipe_that_loads(images):
    images(*CLASSES)
    said = write_proposal(Path("photos"), Path("recipe.yaml"))
    recipe = load_recipe("recipe.yaml")
    assert recipe.task == "multiclass"
    assert recipe.data == FolderData(kind="folder", root="photos")
    assert recipe.run.name == "photos"
    assert said.splitlines() == [
        "recipe.yaml is written.",
        "  class folders in photos: multiclass",
        "  4 images of 2 classes: cat 2, dog 2",
        "  fewer than 10 images, which is little to learn from: cat, dog",
        "  no split is given, so a fifth of the images is held out for validation (data.split)",
        "Next:",
        "  deit-finetune check recipe.yaml",
        "  deit-finetune recipe.yaml",
    ]


def test_what_was_decided_stands_in_the_file_too(images):
    images(*CLASSES)
    write_proposal(Path("photos"), Path("recipe.yaml"))
    text = Path("recipe.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=")
    assert "# Written by `deit-finetune init photos`. To train: deit-finetune recipe.yaml\n" in text
    assert "#   4 images of 2 classes: cat 2, dog 2\n" in text


def test_folders_of_splits_are_recognised(images):
    images("photos/train/cat/1.jpg", "photos/train/dog/2.jpg", "photos/val/cat/3.jpg")
    assert "the split is given: train 2, validation 1" in propose(Path("photos")).reasons


def test_a_suggestion_stands_in_the_file_as_a_comment(table):
    path = table("labels.csv", ["image,label,patient", "1.jpg,a,7", "2.jpg,b,8", "3.jpg,a,7", "4.jpg,b,8"])
    write_proposal(path, Path("recipe.yaml"))
    assert "\n  # group_column: patient  # keep its rows in one split\n" in Path("recipe.yaml").read_text()
    assert load_recipe("recipe.yaml").data.group_column is None


def test_names_with_signs_survive(images, table):
    table("labels.csv", ['"a: b",label', "1.jpg,'x", "2.jpg,# y", "3.jpg,'x", "4.jpg,# y"])
    write_proposal(Path("labels.csv"), Path("deep/er/recipe.yaml"))
    assert load_recipe("deep/er/recipe.yaml").data.path_column == "a: b"


def test_a_line_break_in_a_class_name_stays_within_its_comment(table):
    table("labels.csv", ["image,label", '1.jpg,"big', 'cat"', '2.jpg,"big', 'cat"', "3.jpg,dog", "4.jpg,dog"])
    write_proposal(Path("labels.csv"), Path("recipe.yaml"))
    assert load_recipe("recipe.yaml").task == "multiclass"


def test_a_recipe_is_never_overwritten_unasked(images):
    images(*CLASSES)
    Path("recipe.yaml").write_text("mine")
    with pytest.raises(
        RecipeError, match=r"recipe\.yaml: exists already; choose another with --out, or .* --overwrite"
    ):
        write_proposal(Path("photos"), Path("recipe.yaml"))
    assert Path("recipe.yaml").read_text() == "mine"
    write_proposal(Path("photos"), Path("recipe.yaml"), overwrite=True)
    assert load_recipe("recipe.yaml").task == "multiclass"


def test_a_table_about_something_else_does_not_hide_class_folders(images):
    images(*CLASSES)
    Path("photos/notes.csv").write_text("day,weather\nmonday,rain\n")
    assert propose(Path("photos")).data["kind"] == "folder"


@pytest.mark.parametrize(
    ("names", "source", "words"),
    [
        (["photos/1.jpg"], "photos", r"photos: holds 1 images but no class folders; expected one folder per class"),
        ([], "photos", r"photos: no such file or folder; expected a folder of images or a table"),
        (["photo.jpg"], "photo.jpg", r"photo\.jpg: expected a folder, or a file that is \.csv, \.tsv, \.txt, \.jsonl"),
    ],
)
def test_what_no_recipe_can_be_made_of_is_refused_by_its_words(images, names, source, words):
    images(*names)
    with pytest.raises(DataError, match=words):
        propose(Path(source))


@pytest.mark.parametrize(
    ("folder", "task", "count"), [("fridge_real", "multiclass", 12), ("multilabel_fridge_real", "multilabel", 6)]
)
def test_the_real_photographs_are_recognised(folder, task, count):
    if "DEIT_FINETUNE_PHOTOS" not in os.environ:
        pytest.skip("DEIT_FINETUNE_PHOTOS names no folder")
    proposal = propose(Path(os.environ["DEIT_FINETUNE_PHOTOS"]) / folder)
    assert proposal.task == task
    assert any(reason.startswith(f"{count} images of 4 classes: carton 5, can 3") for reason in proposal.reasons)
