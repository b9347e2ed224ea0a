import csv
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.data import check_data, load_splits, targets
from finetune.errors import DataError

FRIDGE = ["can", "carton", "milk_bottle", "water_bottle"]


def two_classes(images, count=10):
    return images(*(f"{label}/{number}.png" for label in ("can", "carton") for number in range(count)))


def test_a_class_folder_becomes_datasets_with_encoded_images_paths_and_class_labels(images, load):
    root = two_classes(images)
    splits = load(kind="folder", root=root)
    assert {name: len(table) for name, table in splits.datasets.items()} == {"train": 16, "validation": 4}
    row = splits.datasets["validation"][0]
    assert list(row) == ["image", "path", "label"]
    assert row["image"] == {"bytes": None, "path": row["path"]}
    assert Path(row["path"]).is_absolute()
    assert splits.labels.name(row["label"]) == Path(row["path"]).parent.name
    assert splits.datasets["train"].features["label"].names == ["can", "carton"]
    assert targets(splits.datasets["train"]).dtype == np.int64
    assert np.bincount(targets(splits.datasets["validation"])).tolist() == [2, 2]


def test_a_multilabel_table_becomes_targets_of_present_absent_and_unknown(table, load):
    lines = ["filename,dog,cat,owl", "0.png,1,0,", "1.png,,1,0", "2.png,0,0,0", "3.png,1,1,1"]
    splits = load(
        "multilabel", kind="csv", root=table(lines), label_columns=["dog", "cat", "owl"], split={"validation": 0.0}
    )
    assert splits.labels.names == ("cat", "dog", "owl")
    assert targets(splits.datasets["train"]).tolist() == [[0, 1, -1], [1, -1, 0], [0, 0, 0], [1, 1, 1]]
    assert targets(splits.datasets["train"]).dtype == np.int8
    assert splits.datasets["train"][0]["unknown"] == [2]
    assert splits.findings.unknown == {"owl": 1, "dog": 1}
    assert splits.findings.unlabelled == 1


def test_targets_follow_a_selection_and_another_order(images, load):
    train = load(kind="folder", root=two_classes(images), split={"validation": 0.0}).datasets["train"]
    assert targets(train.select([19, 0, 3])).tolist() == [1, 0, 0]
    assert targets(train.select([])).tolist() == []


def test_class_ids_follow_the_code_points_of_the_names(images, load):
    splits = load(kind="folder", root=images("b/1.png", "a/1.png", "B/1.png", "10/1.png"), split={"validation": 0.0})
    assert splits.labels.names == ("10", "B", "a", "b")


def test_one_class_alone_is_loaded(images, load):
    splits = load(kind="folder", root=images(*(f"only/{n}.png" for n in range(5))))
    assert splits.labels.names == ("only",)


def test_the_same_files_give_the_same_split_and_fingerprint_wherever_they_lie(images, load, tmp_path):
    here = load(kind="folder", root=two_classes(images))
    shutil.copytree(tmp_path / "data", tmp_path / "a" / "b")
    there = load(kind="folder", root=tmp_path / "a" / "b")

    def split_of(splits):
        return {(name, *Path(path).parts[-2:]) for name, table in splits.datasets.items() for path in table["path"]}

    assert split_of(here) == split_of(there)
    assert here.source["fingerprint"] == there.source["fingerprint"]
    assert (here.source["root"], here.source["kind"]) == (str(tmp_path / "data"), "folder")
    assert here.source["counts"] == {"train": 16, "validation": 4}


def test_the_fingerprint_changes_with_an_image_and_with_a_label(images, load, draw):
    root = two_classes(images)
    before = load(kind="folder", root=root).source["fingerprint"]
    draw(root / "can" / "1.png", seed=99)
    changed = load(kind="folder", root=root).source["fingerprint"]
    shutil.move(root / "can" / "1.png", root / "carton" / "x.png")
    assert len({before, changed, load(kind="folder", root=root).source["fingerprint"]}) == 3


def test_a_class_that_training_lacks_is_named_with_file_line_and_the_nearest(table, load):
    root = table(["filename,labels", "0.png,tabby", "1.png,siamese", "2.png,persian", "3.png,bengal"])
    (root / "val.csv").write_text("filename,labels\n" + "4.png,tabby\n" * 1 + "5.png,tabbi\n")
    with pytest.raises(DataError, match=re.escape(
        "val.csv line 3: class 'tabbi' is not among the 4 classes of the training split; did you mean 'tabby'?"
    )):  # fmt: skip
        load(kind="csv", root=root, file={"train": "labels.csv", "validation": "val.csv"})


def test_a_class_folder_that_training_lacks_is_named_by_its_path(images, load):
    root = images("train/can/1.png", "val/can/2.png", "val/cam/3.png", "val/cam/4.png")
    with pytest.raises(DataError, match=r"val/cam/3.png: class 'cam' is not among the 1 classes of the training split; "
                       r"did you mean 'can'\? \(2 images of it in validation\)"):  # fmt: skip
        load(kind="folder", root=root)


def test_a_class_that_a_split_lacks_and_a_thin_class_are_said(images, load):
    root = images(*(f"a/{n}.png" for n in range(20)), "b/1.png")
    assert load(kind="folder", root=root).findings.notes == [
        "validation has no image of b",
        "fewer than 5 training images of b (1): too few to learn or to measure this class well",
    ]


def test_a_class_that_validation_lacks_in_given_splits_is_said(images, load):
    root = images(*(f"train/{label}/{n}.png" for label in "ab" for n in range(5)), "val/a/1.png")
    assert load(kind="folder", root=root).findings.notes == ["validation has no image of b"]


# ------------------------------------------------ images that cannot be read


def with_bad_images(images):
    root = two_classes(images)
    Image.open(root / "can" / "0.png").convert("RGB").save(root / "can" / "0.jpg")
    whole = (root / "can" / "0.jpg").read_bytes()
    (root / "can" / "0.jpg").write_bytes(whole[:-2])
    (root / "can" / "1.jpg").write_text("hello")
    (root / "carton" / "5.png").write_bytes((root / "carton" / "5.png").read_bytes()[:60])
    return root


def test_bad_images_stop_the_run_and_all_are_counted(images, load):
    with pytest.raises(DataError, match=re.escape(
        "3 of 22 images cannot be read (1 not an image, 2 truncated), first: can/0.jpg (image file is truncated"
    ) + r".*\); data.on_bad_image: drop goes on without them and lists them in the run"):  # fmt: skip
        load(kind="folder", root=with_bad_images(images))


def test_bad_images_are_dropped_and_listed_if_the_recipe_says_so(images, load):
    splits = load(kind="folder", root=with_bad_images(images), on_bad_image="drop")
    assert sum(map(len, splits.datasets.values())) == 19
    assert [Path(bad.path).name for bad in splits.dropped] == ["0.jpg", "1.jpg", "5.png"]
    assert [bad.kind for bad in splits.dropped] == ["truncated", "not an image", "truncated"]
    assert splits.dropped[1].reason == "not an image (it begins with b'hello')"
    assert splits.findings.as_dict()["dropped"][1]["reason"] == "not an image (it begins with b'hello')"


def test_a_missing_image_is_named_with_its_row(table, load):
    with pytest.raises(DataError, match=r"1 of 2 images cannot be read \(1 missing\), first: labels.csv line 3: 77.png "
                       r"\(there is no such file\); data.on_bad_image: drop"):  # fmt: skip
        load(kind="csv", root=table(["filename,labels", "0.png,can", "77.png,can"]))


def test_if_all_images_are_missing_the_folder_is_asked_about(table, load):
    with pytest.raises(DataError, match=r"2 of 2 images cannot be read \(2 missing\), .*; do the paths start from the"):
        load(kind="csv", root=table(["filename,labels", "x/0.png,can", "x/1.png,can"]), on_bad_image="drop")


def test_a_folder_and_a_pipe_in_the_place_of_an_image_are_no_images(table, load):
    root = table(["filename,labels", "0.png,can", "sub,can", "pipe.png,can"])
    (root / "images" / "sub").mkdir()
    os.mkfifo(root / "images" / "pipe.png")
    splits = load(kind="csv", root=root, on_bad_image="drop", split={"validation": 0.0})
    assert [bad.reason for bad in splits.dropped] == [
        "cannot be read (it is a folder)",
        "cannot be read (it is no regular file)",
    ]


def test_a_bomb_is_refused_by_its_header(images, load, png_that_claims):
    root = two_classes(images)
    (root / "can" / "large.png").write_bytes(png_that_claims(30000, 30000))
    with pytest.raises(
        DataError, match=r"\(1 with too many pixels\), first: can/large.png \(.*the limit is 89,478,485 pi"
    ):
        load(kind="folder", root=root)


# ------------------------------------------------ repeats


def test_an_image_in_two_given_splits_is_refused(images, load):
    root = images(*(f"train/a/{n}.png" for n in range(5)))
    (root / "val" / "a").mkdir(parents=True)
    shutil.copy(root / "train" / "a" / "3.png", root / "val" / "a" / "other.png")
    with pytest.raises(DataError, match=r"1 image is in two splits \(the same bytes\), first: train/a/3.png \(train\) "
                       r"and val/a/other.png \(validation\); .*; remove one of each pair"):  # fmt: skip
        load(kind="folder", root=root)


def test_the_training_copy_of_an_image_in_two_splits_is_dropped_if_the_recipe_says_so(images, load):
    root = images(*(f"train/a/{n}.png" for n in range(5)), "val/a/0.png", "test/a/0.png")
    for split in ("val", "test"):
        shutil.copy(root / "train" / "a" / "3.png", root / split / "a" / "other.png")
    splits = load(kind="folder", root=root, on_bad_image="drop")
    assert {name: len(table) for name, table in splits.datasets.items()} == {"train": 4, "validation": 1, "test": 2}
    assert [bad.kind for bad in splits.dropped] == ["in two splits"] * 2


def test_images_of_the_same_bytes_are_noted_and_not_parted(images, load):
    root = two_classes(images)
    shutil.copy(root / "can" / "3.png", root / "can" / "4.png")
    splits = load(kind="folder", root=root)
    assert splits.findings.notes == [
        "1 image has the same bytes as another image, first: can/4.png and can/3.png; a cut keeps them together"
    ]


def test_the_same_bytes_with_other_labels_are_noted(images, load):
    root = two_classes(images)
    shutil.copy(root / "can" / "3.png", root / "carton" / "4.png")
    assert load(kind="folder", root=root).findings.notes[1] == (
        "1 image has the same bytes as one with other labels, first: can/3.png (can) and carton/4.png (carton)"
    )


def test_a_repeated_row_is_used_once_and_noted(table, load):
    root = table(["filename,labels", *(f"{n}.png,can" for n in range(8)), "./3.png,can", "4.png,can"])
    splits = load(kind="csv", root=root)
    assert sum(map(len, splits.datasets.values())) == 8
    assert splits.findings.notes == [
        "2 rows repeat an earlier row and are used once: first labels.csv line 10, which repeats labels.csv line 5"
    ]


def test_a_repeated_row_with_another_label_is_refused(table, load):
    with pytest.raises(DataError, match=r"labels.csv line 3: 0.png has the label 'carton', but 'can' at labels.csv "
                       "line 2; give each image one row"):  # fmt: skip
        load(kind="csv", root=table(["filename,labels", "0.png,can", "0.png,carton"]))


def test_a_row_in_two_splits_is_refused(table, load):
    with pytest.raises(
        DataError, match=r"labels.csv line 3: 0.png is in test, but in train at labels.csv line 2; an im"
    ):
        load(kind="csv", root=table(["filename,labels,s", "0.png,a,train", "0.png,a,test"]), split_column="s")


# ------------------------------------------------ labels and the task


def test_a_multiclass_row_without_a_label_is_refused(table, load):
    with pytest.raises(DataError, match=r"labels.csv line 3: there is no label; task: multiclass needs exactly one"):
        load(kind="csv", root=table(["filename,labels", "0.png,can", "1.png,"]))


def test_a_multiclass_row_with_several_labels_is_refused(table, load):
    root = table(["filename,dog,cat", "0.png,1,1", "1.png,1,0"])
    with pytest.raises(DataError, match=r"labels.csv line 2: 2 labels \(cat, dog\); set task: multilabel"):
        load(kind="csv", root=root, label_columns=["dog", "cat"])


def test_a_multilabel_image_may_have_no_label(table, load):
    root = table(["filename,labels", *(f"{n}.png,can" for n in range(4)), "5.png,"])
    splits = load("multilabel", kind="csv", root=root, split={"validation": 0.0})
    assert targets(splits.datasets["train"]).tolist() == [[1], [1], [1], [1], [0]]


def test_multilabel_data_without_any_label_are_refused(table, load):
    with pytest.raises(DataError, match=r"labels.csv: no training image has a label; there is nothing to learn"):
        load("multilabel", kind="csv", root=table(["filename,labels", "0.png,", "1.png,"]))


# ------------------------------------------------ the root


def test_a_missing_root_suggests_its_neighbour(images, load):
    root = two_classes(images)
    with pytest.raises(DataError, match=r"data.root: there is no folder .*/dat; did you mean 'data'\?"):
        load(kind="folder", root=root.with_name("dat"))


@pytest.mark.parametrize(("name", "words"), [
    ("a.csv", r"data.root: .*/a.csv is a file; set data: \{kind: csv, root: .*, file: a.csv\}"),
    ("a.jsonl", r"set data: \{kind: jsonl, root: .*, file: a.jsonl\}"),
    ("a.zip", r"a.zip is a file; unpack it, or set data.download: \{url: file:///.*/a.zip\}"),
    ("a.bin", r"a.bin is a file; expected a folder"),
])  # fmt: skip
def test_a_root_that_is_a_file_says_what_to_set(tmp_path, load, name, words):
    (tmp_path / name).write_text("x")
    with pytest.raises(DataError, match=words):
        load(kind="folder", root=tmp_path / name)


def test_a_relative_root_starts_from_the_working_directory(images, load, monkeypatch):
    root = two_classes(images)
    monkeypatch.chdir(root.parent)
    assert load(kind="folder", root="data").source["root"] == str(root)


def test_check_tells_faults_and_counts_without_stopping(images, recipe, own_cache):
    findings = check_data(recipe(kind="folder", root=with_bad_images(images)))
    assert findings.images == {"train": 15, "validation": 4}
    assert len(findings.faults) == 1
    assert "3 of 22 images cannot be read" in findings.render()


# ------------------------------------------------ real photographs

photos = pytest.mark.skipif("DEIT_FINETUNE_PHOTOS" not in os.environ, reason="DEIT_FINETUNE_PHOTOS is not set")


@photos
def test_real_photographs_in_class_folders(load):
    splits = load(
        kind="folder", root=Path(os.environ["DEIT_FINETUNE_PHOTOS"]) / "fridge_real", split={"validation": 0.3}
    )
    assert list(splits.labels.names) == FRIDGE
    assert splits.source["counts"] == {"train": 8, "validation": 4}


@photos
def test_real_photographs_with_several_labels(load):
    root = Path(os.environ["DEIT_FINETUNE_PHOTOS"]) / "multilabel_fridge_real"
    splits = load("multilabel", kind="csv", root=root, split={"validation": 0.0})
    assert list(splits.labels.names) == FRIDGE
    with (root / "labels.csv").open(encoding="utf-8-sig", newline="") as file:
        expected = [[int(name in row["labels"].split()) for name in FRIDGE] for row in csv.DictReader(file)]
    assert targets(splits.datasets["train"]).tolist() == expected


def test_load_splits_is_what_the_package_gives():
    assert load_splits.__module__ == "finetune.data.load"


def test_images_of_one_group_or_of_the_same_bytes_bear_one_number(table, load):
    groups = ["x", "y", "x", "", "", "y"]
    lines = ["filename,labels,who", *(f"{n}.png,{'ab'[n % 2]},{group}" for n, group in enumerate(groups))]
    root = table(lines)
    shutil.copy(root / "images/3.png", root / "images/5.png")
    data = {"kind": "csv", "root": root, "split": {"validation": 0.0}}
    assert load(**data, group_column="who").together("train").tolist() == [0, 1, 0, 1, 2, 1]
    assert load(**data).together("train").tolist() == [0, 1, 2, 3, 4, 3]
