"""What a table is taken for."""

from __future__ import annotations

from typing import Any

import pytest

from finetune.errors import DataError
from finetune.proposal import propose

FRIDGE = [
    "filename,labels", "10.jpg,carton milk_bottle", "11.jpg,carton water_bottle", "12.jpg,carton water_bottle",
    "13.jpg,carton can", "14.jpg,carton can", "15.jpg,milk_bottle can",
]  # fmt: skip


def decided(proposal: Any, *keys: str) -> dict[str, Any]:
    return {key: proposal.data[key] for key in keys if key in proposal.data}


@pytest.mark.parametrize(
    ("lines", "task", "keys"),
    [
        (FRIDGE, "multilabel", {"path_column": "filename", "label_column": "labels", "label_separator": " "}),
        (
            ["file;species", "1.jpg;house cat", "2.jpg;dog", "3.jpg;house cat", "4.jpg;dog"],
            "multiclass",
            {"path_column": "file", "label_column": "species", "delimiter": ";"},
        ),
        (
            ["id,image,class", "7,1.jpg,milk bottle", "8,2.jpg,water bottle", "9,3.jpg,can", "10,4.jpg,can"],
            "multiclass",
            {"path_column": "image", "label_column": "class"},
        ),
        (
            ["image,tags", "1.jpg,cat|dog", "2.jpg,dog", "3.jpg,cat", "4.jpg,cat|dog"],
            "multilabel",
            {"path_column": "image", "label_column": "tags", "label_separator": "|"},
        ),
        (
            ["image,label", '1.jpg,"cat,dog"', "2.jpg,dog", "3.jpg,cat", "4.jpg,cat"],
            "multilabel",
            {"path_column": "image", "label_column": "label", "label_separator": ","},
        ),
        (
            ["image,cat,dog", "1.jpg,1,0", "2.jpg,1,1", "3.jpg,,1"],
            "multilabel",
            {"path_column": "image", "label_columns": ["cat", "dog"]},
        ),
        (
            ["image,cat,dog", "1.jpg,1,0", "2.jpg,0,1", "3.jpg,0,1"],
            "multiclass",
            {"path_column": "image", "label_columns": ["cat", "dog"]},
        ),
        (
            ["image,disease_label,set", "1.jpg,a,train", "2.jpg,b,val", "3.jpg,a,TEST"],
            "multiclass",
            {"path_column": "image", "label_column": "disease_label", "split_column": "set"},
        ),
        (
            ["animal,photo", "cat,1.jpg", "dog,2.jpg", "cat,3.jpg", "dog,4.jpg"],
            "multiclass",
            {"path_column": "photo", "label_column": "animal"},
        ),
    ],
)
def test_columns_delimiter_and_task_are_read_off_the_table(table, lines, task, keys):
    proposal = propose(table("labels.csv", lines))
    assert proposal.task == task
    assert {"kind": "csv", "file": "labels.csv", "images": "images", **keys}.items() <= proposal.data.items()
    assert not any("will find faults" in reason for reason in proposal.reasons)


def test_a_column_that_says_whose_image_it_is_is_suggested_for_grouping(table):
    proposal = propose(table("a.csv", ["image,label,patient_id", "1.jpg,a,7", "2.jpg,b,8", "3.jpg,a,7", "4.jpg,b,8"]))
    assert proposal.suggestions == ["group_column: patient_id  # keep its rows in one split"]


@pytest.mark.parametrize("folder", ["images", "jpg", "."])
def test_the_folder_of_the_images_is_found_by_looking(table, folder):
    proposal = propose(table("labels.csv", ["image,label", "1.jpg,a", "2.jpg,b", "3.jpg,a"], folder=folder))
    assert proposal.data["images"] == folder
    assert f"files in {folder}/" in proposal.reasons[0]


def test_missing_images_are_said(table, images):
    path = table("labels.csv", ["image,label", "1.jpg,a", "2.jpg,b", "3.jpg,a"], present=False)
    assert "none of the files was found: set data.images" in propose(path).reasons[0]
    images("images/1.jpg", "images/2.jpg")
    assert "1 of the first 3 are missing" in propose(path).reasons[0]


def test_a_folder_with_one_table_means_the_table(table):
    assert propose(table("labels.csv", FRIDGE).parent).data["file"] == "labels.csv"


def test_tables_named_after_splits_belong_together(table):
    lines = ["image,label", "1.jpg,a", "2.jpg,b", "3.jpg,a", "4.jpg,b"]
    train = table("train.csv", lines)
    table("val_labels.csv", ["image,label", "5.jpg,a", "6.jpg,b"])
    expected = {"train": "train.csv", "validation": "val_labels.csv"}
    assert propose(train).data["file"] == propose(train.parent).data["file"] == expected
    assert "the split is given: train 4, validation 2" in propose(train).reasons


def test_of_several_tables_labels_csv_is_meant_or_the_reader_is_asked(table):
    path = table("labels.csv", FRIDGE)
    table("notes.csv", ["a,b", "1,2"])
    assert propose(path.parent).data["file"] == "labels.csv"
    path.rename(path.with_name("pictures.csv"))
    with pytest.raises(DataError, match=r"there are several tables, notes\.csv, pictures\.csv; name the one"):
        propose(path.parent)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["1.jpg,cat", "2.jpg,dog"], r"the first line is data already; add a header, such as filename,label"),
        (["image,label"], r"expected a header and at least one row"),
        ([""], r"expected a header and at least one row"),
        (["name,label", "one,cat", "two,dog"], r"no column holds names of image files .*; columns found: name, label"),
        (["image,x,y", "1.jpg,a,b", "2.jpg,c,d"], r"no column looks like labels .*; columns found: image, x, y"),
    ],
)
def test_a_table_that_cannot_be_understood_is_refused_by_its_words(table, lines, words):
    with pytest.raises(DataError, match=words):
        propose(table("labels.csv", lines, present=False))


def test_rows_that_check_will_refuse_are_announced(table):
    lines = ["image,label", "1.jpg,a", "2.jpg,b", "3.jpg,a", "4.jpg,a,b", "5.jpg,b"]
    assert any("`deit-finetune check` will find faults: " in line for line in propose(table("a.csv", lines)).reasons)
