import os
import re
import shutil

import pytest

from finetune.data.folder import read_folder
from finetune.errors import DataError


def labels_by_name(rows):
    return dict(zip(rows.names, (names[0] for names in rows.labels), strict=True))


def test_the_class_of_an_image_is_its_folder(images):
    root = images("can/1.png", "can/2.PNG", "carton/1.jpg")
    assert labels_by_name(read_folder(root)) == {"can/1.png": "can", "can/2.PNG": "can", "carton/1.jpg": "carton"}
    assert read_folder(root).splits is None


@pytest.mark.parametrize("held_out", ["val", "valid", "validation", "dev", "Val"])
def test_split_folders_give_splits(images, held_out):
    rows = read_folder(images("train/a/1.png", f"{held_out}/a/2.png", "test/a/3.png"))
    assert rows.splits == ["train", "validation", "test"]
    assert set(rows.labels) == {("a",)}


def test_a_class_called_train_is_a_class(images):
    rows = read_folder(images("train/1.png", "car/1.png", "test/1.png"))
    assert labels_by_name(rows) == {"car/1.png": "car", "test/1.png": "test", "train/1.png": "train"}


def test_two_folders_for_one_split_are_refused(images):
    with pytest.raises(DataError, match=r"val/ and validation/ are both the validation split; keep one of them"):
        read_folder(images("train/a/1.png", "val/a/2.png", "validation/a/3.png"))


def test_held_out_folders_without_a_training_folder_are_refused(images):
    with pytest.raises(DataError, match=r"test/, val/ hold class folders, but there is no train/ beside them"):
        read_folder(images("val/a/1.png", "test/a/2.png"))


def test_other_folders_beside_split_folders_are_refused_if_they_hold_images(images):
    with pytest.raises(DataError, match=r"extra/ holds images beside train/; expected only train, val and test there"):
        read_folder(images("train/a/1.png", "val/a/2.png", "extra/a/3.png"))


def test_a_folder_without_images_beside_split_folders_is_passed_over(images):
    root = images("train/a/1.png", "val/a/2.png")
    (root / "docs").mkdir()
    assert read_folder(root).names == ["train/a/1.png", "val/a/2.png"]


def test_hidden_files_and_what_desktops_leave_behind_do_not_count(images):
    root = images("a/1.png", "__MACOSX/a/1.png", ".ipynb_checkpoints/a/1.png", "a/.2.png", "a/._1.png")
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini", "a/Thumbs.db", "a/.DS_Store"):
        (root / name).write_bytes(b"x")
    rows = read_folder(root)
    assert (rows.names, rows.notes) == (["a/1.png"], [])


def test_files_that_are_no_images_by_name_are_noted(images):
    root = images("a/1.png")
    (root / "a" / "notes.txt").write_text("x")
    (root / "a" / "more").write_text("x")
    assert read_folder(root).notes == ["2 files are left out, because their names are not images', first: a/more"]


def test_a_stray_image_at_the_root_is_noted_and_left_out(images):
    rows = read_folder(images("a/1.png", "stray.jpg"))
    assert rows.names == ["a/1.png"]
    assert rows.notes == ["1 file lies in no class folder and is left out, first: stray.jpg"]


def test_a_stray_image_in_a_split_folder_is_noted_with_its_path(images):
    rows = read_folder(images("train/a/1.png", "val/a/1.png", "val/stray.jpg"))
    assert rows.notes == ["1 file lies in no class folder and is left out, first: val/stray.jpg"]


def test_images_that_lie_deeper_count_for_their_class_folder(images):
    rows = read_folder(images("a/1.png", "a/x/y/2.png", "b/1.png"))
    assert labels_by_name(rows) == {"a/1.png": "a", "a/x/y/2.png": "a", "b/1.png": "b"}
    assert rows.notes == ["1 file lies deeper than its class folder and counts for it, first: a/x/y/2.png"]


def test_class_folders_that_all_lie_one_level_deeper_are_pointed_out(images):
    root = images("fridgeObjects/can/1.png", "fridgeObjects/carton/1.png")
    with pytest.raises(DataError, match=re.escape(f"did you mean data.root: {root}/fridgeObjects?")):
        read_folder(root)


def test_an_empty_class_folder_is_noted(images):
    root = images("a/1.png")
    (root / "b").mkdir()
    assert read_folder(root).notes == ["the class folder b holds no images and is no class"]


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no images; expected one folder of images per class"):
        read_folder(tmp_path)


def test_class_folders_without_any_image_are_refused(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match="holds no images; expected one folder of images per class"):
        read_folder(tmp_path)


def test_images_without_class_folders_are_refused_with_what_to_do(images):
    root = images("1.png", "2.png")
    with pytest.raises(DataError, match="holds 2 images but no class folders; expected one folder per class"):
        read_folder(root)
    (root / "labels.csv").write_text("filename,labels\n")
    with pytest.raises(DataError, match=r"it also holds labels.csv: set data.kind: csv"):
        read_folder(root)


def test_links_are_followed_and_a_link_back_is_not_followed_twice(images, tmp_path):
    root = images("a/1.png", "elsewhere/2.png", root="real")
    (tmp_path / "data" / "b").mkdir(parents=True)
    os.symlink(root / "a", tmp_path / "data" / "a")
    os.symlink(root / "elsewhere" / "2.png", tmp_path / "data" / "b" / "2.png")
    os.symlink(tmp_path / "data", tmp_path / "data" / "b" / "loop")
    assert read_folder(tmp_path / "data").names == ["a/1.png", "b/2.png"]


def test_a_class_name_is_the_same_however_a_file_system_writes_its_accents(images):
    rows = read_folder(images("train/caf\u00e9/1.png", "val/cafe\u0301/2.png"))
    assert set(rows.labels) == {("caf\u00e9",)}


def test_class_names_with_spaces_and_digits_stay_as_they_are(images):
    assert sorted(set(read_folder(images("water bottle/1.png", "007/1.png", "NA/1.png")).labels)) == [
        ("007",),
        ("NA",),
        ("water bottle",),
    ]


def test_the_rows_do_not_depend_on_the_order_of_the_directory_or_the_place_of_the_root(images, tmp_path, monkeypatch):
    names = [f"{folder}/{number}.png" for folder in ("b", "a", "c") for number in (3, 11, 2)]
    here = read_folder(images(*names))
    moved = tmp_path / "else" / "where"
    shutil.copytree(tmp_path / "data", moved)
    real = os.scandir

    class Backwards:
        def __init__(self, path):
            self.entries = sorted(real(path), key=lambda entry: entry.name, reverse=True)

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_):
            return None

    monkeypatch.setattr(os, "scandir", Backwards)
    assert read_folder(moved).names == here.names == sorted(names)
