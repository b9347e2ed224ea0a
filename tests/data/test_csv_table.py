import re

import pytest

from finetune.data.csv_table import read_csv
from finetune.errors import DataError
from finetune.recipe.sections import CsvData


def read(root, multilabel=False, **data):
    return read_csv(CsvData(kind="csv", root=str(root), **data), root, multilabel)


def test_a_single_label_table_gives_one_label_a_row(table):
    rows = read(table(["filename,labels", "0.png,can", "1.png,water bottle"]))
    assert rows.labels == [("can",), ("water bottle",)]
    assert rows.names == ["0.png", "1.png"]
    assert rows.where(1) == "labels.csv line 3"


def test_the_labels_of_a_cell_are_separated_by_a_space(table):
    rows = read(table(["filename,labels", "0.png,carton can", "1.png,can", "2.png,can  carton "]), multilabel=True)
    assert rows.labels == [("can", "carton"), ("can",), ("can", "carton")]
    assert rows.unknown is None


def test_other_names_delimiter_separator_and_image_folder(table):
    root = table(
        ["tags;split;photo;who", "can|water bottle;train;images/0.png;ann", "can;VAL;images/1.png;bob"], "t.txt"
    )
    rows = read(
        root,
        multilabel=True,
        file="t.txt",
        images=".",
        delimiter=";",
        path_column="photo",
        label_column="tags",
        label_separator="|",
        split_column="split",
        group_column="who",
    )
    assert rows.labels == [("can", "water bottle"), ("can",)]
    assert (rows.splits, rows.groups) == (["train", "validation"], ["ann", "bob"])
    assert rows.paths == [str(root / "images" / "0.png"), str(root / "images" / "1.png")]


def test_columns_of_0_and_1_tell_present_absent_and_unknown_apart(table):
    root = table(["filename,dog,cat", "0.png,1,0", "1.png,,1.0", "2.png,0,0.0", "3.png, 1 ,"])
    rows = read(root, multilabel=True, label_columns=["dog", "cat"])
    assert rows.labels == [("dog",), ("cat",), (), ("dog",)]
    assert rows.unknown == [(), ("dog",), (), ("cat",)]
    assert rows.classes == ("cat", "dog")


@pytest.mark.parametrize("name", ["NA", "None", "null", "nan", "007", "1.0", "true", "no"])
def test_a_class_name_that_looks_like_something_else_stays_a_text(table, name):
    assert read(table(["filename,labels", f"0.png,{name}"])).labels == [(name,)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_and_any_line_ends_are_read(table, end, mark):
    text = end.join(["filename,labels", "0.png,can", "1.png,b\u00e9b\u00e9", ""])
    rows = read(table(mark + text.encode()))
    assert rows.labels == [("can",), ("b\u00e9b\u00e9",)]


def test_blank_lines_and_space_around_cells_do_not_count(table):
    rows = read(table(["filename , labels", "", "0.png , can", " , ", "1.png,can "]))
    assert (rows.names, rows.labels) == (["0.png", "1.png"], [("can",), ("can",)])


def test_quoted_cells_may_hold_delimiters_and_quotes(table):
    assert read(table(["filename,labels", '0.png,"can, ""red"""'])).labels == [('can, "red"',)]


def test_one_table_per_split(table):
    root = table(["filename,labels", "0.png,can"])
    (root / "val.csv").write_text("filename,labels\n1.png,can\n")
    rows = read(root, file={"validation": "val.csv", "train": "labels.csv"})
    assert rows.splits == ["train", "validation"]
    assert [rows.where(0), rows.where(1)] == ["labels.csv line 2", "val.csv line 2"]


def test_backslashes_of_a_table_written_on_windows(table):
    root = table(["filename,labels", "images\\0.png,can"])
    rows = read(root, images=".")
    assert rows.paths == [str(root / "images" / "0.png")]
    assert rows.names == ["images/0.png"]


def test_paths_may_be_absolute_or_lead_out_of_the_image_folder(table, tmp_path):
    root = table(["filename,labels", "../images/0.png,can", "/elsewhere/1.png,can"])
    rows = read(root)
    assert rows.paths == [str(root / "images" / "0.png"), "/elsewhere/1.png"]
    assert rows.names == ["0.png", "/elsewhere/1.png"]


HEAD = "filename,labels"
SPLIT = {"split_column": "s"}


@pytest.mark.parametrize(("lines", "options", "words"), [
    (["filename,label", "0.png,can"], {}, "labels.csv line 1: there is no column 'labels' (data.label_column);"
     " did you mean 'label'?; columns found: filename, label"),
    (["file,labels", "0.png,can"], {}, "there is no column 'filename' (data.path_column); did you mean 'file'?"),
    ([HEAD, "0.png,can"], {"split_column": "split"}, "there is no column 'split' (data.split_column)"),
    ([HEAD, "0.png,can"], {"group_column": "who"}, "there is no column 'who' (data.group_column)"),
    (["filename,dog", "0.png,1"], {"label_columns": ["dog", "cat"]}, "there is no column 'cat' (data.label_columns)"),
    (["filename;labels", "0.png;can"], {}, "labels.csv line 1: only one column is found, 'filename;labels', with the"
     ' delimiter ","; set data.delimiter: ";"'),
    (["filename\tlabels", "0.png\tcan"], {}, 'set data.delimiter: "\\t"'),
    (["filename,labels,labels", "0.png,a,b"], {}, "labels.csv line 1: the column 'labels' occurs twice"),
    ([], {}, "labels.csv: the file is empty; expected a header"),
    ([HEAD], {}, "labels.csv: there are no rows below the header"),
    ([HEAD, "0.png"], {}, "labels.csv line 2: 1 cells, but the header has 2"),
    ([HEAD, "0.png,can,", "1.png,a,b"], {}, "labels.csv line 2: 3 cells, but the header has 2; is a \",\" within a cell"
     " not quoted? (and 1 more row like it)"),
    ([HEAD, ",can"], {}, "labels.csv line 2: the cell 'filename' is empty; expected an image's path"),
    ([HEAD, '0.png,"can'], {}, "labels.csv line 2: unexpected end of data; is a quote not closed?"),
    (["filename,labels,s", "0.png,a,trian"], SPLIT, "labels.csv line 2: 'trian' is no split; did you mean 'train'?"),
    (["filename,labels,s", "0.png,a,"], SPLIT, "line 2: '' is no split; expected train, validation (or val) or test"),
    (["filename,dog", "0.png,2", "1.png,yes"], {"label_columns": ["dog"]}, "labels.csv line 2: column 'dog' holds '2';"
     " expected 1, 0, or nothing for unknown (and 1 more row like it)"),
    ([HEAD, "0.png,can", "1.png,carton", "2.png,can carton"], {}, "labels.csv line 4: 'can carton' looks like several"
     " labels, since each of them is a class in other rows; set task: multilabel"),
])  # fmt: skip
def test_a_faulty_table_is_answered_by_its_words(table, lines, options, words):
    with pytest.raises(DataError, match=re.escape(words)):
        read(table(lines), **options)


def test_every_kind_of_fault_is_said_at_once(table):
    with pytest.raises(DataError) as caught:
        read(table(["filename,labels,s", "0.png,a,x", ",a,train", "0.png"]), split_column="s")
    assert str(caught.value).splitlines() == [
        "labels.csv line 2: 'x' is no split; expected train, validation (or val) or test",
        "labels.csv line 3: the cell 'filename' is empty; expected an image's path",
        'labels.csv line 4: 1 cells, but the header has 3; is a "," within a cell not quoted?',
    ]


def test_a_class_of_several_words_is_let_through_with_another_separator(table):
    root = table(["filename,labels", "0.png,water", "1.png,bottle", "2.png,water bottle"])
    assert read(root, label_separator="|").labels[2] == ("water bottle",)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_named(table, encoding):
    with pytest.raises(DataError, match=r"labels.csv: is (UTF-16|not UTF-8 .*); save it as UTF-8"):
        read(table("filename,labels\n0.png,b\u00e9b\u00e9\n".encode(encoding)))


def test_a_missing_table_suggests_the_file_beside_it(table):
    with pytest.raises(DataError, match=r"data.file: there is no file .*/label.csv; did you mean 'labels.csv'\?"):
        read(table(["filename,labels", "0.png,a"]), file="label.csv")


def test_a_missing_image_folder_says_what_to_set(table):
    root = table(["filename,labels", "0.png,a"])
    with pytest.raises(DataError, match=r"data.images: there is no folder .*/pictures; .*data.images: . for paths rel"):
        read(root, images="pictures")
