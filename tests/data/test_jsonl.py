import json
import re

import pytest

from finetune.data.jsonl import read_jsonl
from finetune.errors import DataError
from finetune.recipe.sections import JsonlData


def read(root, file="a.jsonl", **data):
    return read_jsonl(JsonlData(kind="jsonl", root=str(root), file=file, **data), root)


def write(root, *values, file="a.jsonl"):
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((v if isinstance(v, str) else json.dumps(v)) + "\n" for v in values), encoding="utf-8")
    return root


def test_a_label_or_a_list_of_labels(tmp_path):
    root = write(
        tmp_path,
        {"image_url": "images/0.png", "label": "can", "image_details": {"width": "400px"}},
        {"image_url": "./images/1.png", "label": ["carton", "can"]},
        {"image_url": "images/2.png", "label": []},
    )
    rows = read(root)
    assert rows.labels == [("can",), ("can", "carton"), ()]
    assert rows.names == ["images/0.png", "images/1.png", "images/2.png"]
    assert rows.paths[1] == str(tmp_path / "images" / "1.png")
    assert rows.where(2) == "a.jsonl line 3"


def test_paths_are_relative_to_the_file_they_stand_in(tmp_path):
    root = write(tmp_path, {"image_url": "../images/0.png", "label": "a"}, file="lists/a.jsonl")
    assert read(root, "lists/a.jsonl").names == ["images/0.png"]


@pytest.mark.parametrize("url", ["file://{root}/my%20images/0.png", "file:my%20images/0.png", "{root}/my images/0.png"])
def test_file_urls_and_absolute_paths(tmp_path, url):
    root = write(tmp_path, {"image_url": url.format(root=tmp_path), "label": "a"})
    assert read(root).paths == [str(tmp_path / "my images" / "0.png")]


def test_a_byte_order_mark_windows_line_ends_and_blank_lines(tmp_path):
    line = json.dumps({"image_url": "0.png", "label": "b\u00e9b\u00e9"}, ensure_ascii=False).encode()
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + line + b"\r\n\r\n")
    assert read(tmp_path).labels == [("b\u00e9b\u00e9",)]


def test_an_mltable_names_the_files(tmp_path):
    write(tmp_path, {"image_url": "0.png", "label": "a"}, file="train/lines.jsonl")
    write(tmp_path, {"image_url": "1.png", "label": "a"}, file="valid/lines.jsonl")
    for folder in ("train", "valid"):
        (tmp_path / folder / "MLTable").write_text(
            "paths:\n  - file: ./lines.jsonl\ntransformations:\n  - read_json_lines:\n      encoding: utf8\n"
            "      invalid_lines: error\n      include_path_column: false\n"
            "  - convert_column_types:\n      - columns: image_url\n        column_type: stream_info\n"
        )
    assert read(tmp_path / "train", "MLTable").paths == [str(tmp_path / "train" / "0.png")]
    rows = read(tmp_path, {"train": "train", "validation": "valid/MLTable"})
    assert rows.splits == ["train", "validation"]
    assert rows.where(1) == "valid/lines.jsonl line 1"


def test_other_keys_and_groups(tmp_path):
    root = write(tmp_path, {"img": "0.png", "y": "a", "who": 7}, {"img": "1.png", "y": "a", "who": None})
    assert read(root, path_column="img", label_column="y", group_column="who").groups == ["7", ""]


@pytest.mark.parametrize(("line", "words"), [
    ('{"image_url": "0.png", "label": 3}', 'a.jsonl line 1: the label 3 is a number; expected text: "3"'),
    ('{"image_url": "0.png", "label": null}', "a.jsonl line 1: the label null is null; expected text"),
    ('{"image_url": "0.png", "label": ["a", 1.5]}', 'line 1: the label 1.5 is a number; expected text: "1.5"'),
    ('{"image_url": "0.png", "label": true}', "a.jsonl line 1: the label true is true or false; expected text"),
    ('{"image_url": "0.png", "label": {"a": 1}}', 'line 1: the label {"a": 1} is an object; expected text'),
    ('{"image_url": "0.png", "label": " "}', "a.jsonl line 1: the label is empty text; expected a class"),
    ('{"image_url": "0.png", "labels": "a"}', "a.jsonl line 1: there is no 'label' (data.label_column); did you mean"
     " 'labels'?; keys found: image_url, labels"),
    ('{"label": "a"}', "a.jsonl line 1: there is no 'image_url' (data.path_column); keys found: label"),
    ('{"image_url": 7, "label": "a"}', "a.jsonl line 1: 'image_url' is a number; expected a path"),
    ('{"image_url": "", "label": "a"}', "a.jsonl line 1: 'image_url' is empty text; expected a path"),
    ('{"image_url": "azureml://x/0.png", "label": "a"}', "a.jsonl line 1: 'azureml://x/0.png' is not on this machine;"
     " download the images"),
    ('{"image_url": "https://x/0.png", "label": "a"}', "'https://x/0.png' is not on this machine"),
    ('{"image_url": "0.png", "label": "a"', "a.jsonl line 1: is not JSON (Expecting ',' delimiter"),
    ('["0.png", "a"]', 'line 1: is a list; expected an object like {"image_url": "images/1.jpg", "label": "can"}'),
    ("", "a.jsonl: there are no lines"),
])  # fmt: skip
def test_a_faulty_line_is_answered_by_its_words(tmp_path, line, words):
    with pytest.raises(DataError, match=re.escape(words)):
        read(write(tmp_path, line))


def test_lines_that_are_not_utf_8_are_named(tmp_path):
    (tmp_path / "a.jsonl").write_bytes('{"label": "b\u00e9"}'.encode("latin-1"))
    with pytest.raises(DataError, match=r"a.jsonl: is not UTF-8; save it as UTF-8"):
        read(tmp_path)


def test_a_missing_mltable_names_the_lines_beside_it(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*/MLTable; found there: a.jsonl \(set data.file\)"):
        read(write(tmp_path, {}), "MLTable")


LINES = "paths:\n  - file: ./a.jsonl\n"
STEPS = "transformations: [{read_json_lines: {}}]"


@pytest.mark.parametrize(("text", "words"), [
    ("paths:\n  - file: ./b.jsonl\n" + STEPS, "names ./b.jsonl, but there is no file"),
    ("paths:\n  - pattern: ./*.jsonl\n" + STEPS, "expected {file: ./annotations.jsonl}"),
    ("paths:\n  - file: https://x/a.jsonl\n" + STEPS, "with a local file"),
    ("transformations: [read_json_lines]", "there are no paths"),
    (LINES + "transformations: [{read_delimited: {}}]", "the transformation 'read_delimited' is not supported"),
    (LINES + "transformations: [{read_json_lines: {}}, {take: 5}]", "the transformation 'take' is not supported"),
    (LINES, "there is no read_json_lines among the transformations"),
    ("- 1", "is no MLTable"),
    ("paths: [", "is not YAML"),
])  # fmt: skip
def test_an_mltable_that_cannot_be_honoured_is_refused(tmp_path, text, words):
    write(tmp_path, {"image_url": "0.png", "label": "a"})
    (tmp_path / "MLTable").write_text(text)
    with pytest.raises(DataError, match=re.escape(words)):
        read(tmp_path, "MLTable")
