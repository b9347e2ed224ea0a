"""What JSON lines and MLTable folders are taken for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from finetune.errors import DataError
from finetune.proposal import propose

MLTABLE = "paths:\n  - file: ./lines.jsonl\ntransformations:\n  - read_json_lines: {encoding: utf8}\n"


def lines(path: Path, *values: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(value)}\n" for value in values), encoding="utf-8")
    return path


def image(name: str, label: Any) -> dict[str, Any]:
    return {"image_url": name, "image_details": {"format": "jpg"}, "label": label}


@pytest.mark.parametrize(("label", "task"), [("can", "multiclass"), (["can", "carton"], "multilabel")])
def test_a_list_of_labels_makes_a_multilabel_task(images, label, task):
    path = lines(images("1.jpg", "2.jpg") / "a.jsonl", image("1.jpg", label), image("2.jpg", label))
    for source in (path, path.parent):
        proposal = propose(source)
        assert proposal.task == task
        assert proposal.data == {"kind": "jsonl", "root": str(path.parent), "file": "a.jsonl"}
        assert proposal.reasons[1].startswith("2 images of ")


def test_other_keys_are_found_by_what_they_hold(images):
    path = lines(images("1.jpg") / "a.jsonl", {"photo": "1.jpg", "width": 4, "animals": ["cat"]})
    assert propose(path).data["path_column"] == "photo"
    assert propose(path).data["label_column"] == "animals"


def test_an_mltable_folder_is_read_through_its_mltable(images):
    root = images("1.jpg")
    lines(root / "lines.jsonl", image("1.jpg", "can"))
    (root / "MLTable").write_text(MLTABLE)
    assert propose(root).data == {"kind": "jsonl", "root": str(root), "file": "MLTable"}


def test_mltable_folders_named_after_splits_belong_together(images):
    root = images("1.jpg", "2.jpg")
    for folder, name in (("training-mltable-folder", "1.jpg"), ("validation-mltable-folder", "2.jpg")):
        lines(root / folder / "lines.jsonl", image(f"../{name}", "can"))
        (root / folder / "MLTable").write_text(MLTABLE)
    expected = {"train": "training-mltable-folder", "validation": "validation-mltable-folder"}
    assert propose(root).data["file"] == expected
    assert "the split is given: train 1, validation 1" in propose(root).reasons


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r'a\.jsonl: expected lines like {"image_url": "1\.jpg", "label": "can"}'),
        ("[1]\n", r"a\.jsonl: expected lines like"),
        ("{\n", r"a\.jsonl: cannot be read as JSON lines"),
        ('{"label": "can"}\n', r"a\.jsonl: no key holds the name of an image; keys found: label"),
        ('{"image_url": "1.jpg", "n": 3}\n', r"a\.jsonl: no key holds a label, or a list of labels; keys found"),
    ],
)
def test_lines_that_cannot_be_understood_are_refused_by_their_words(tmp_path, text, words):
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(DataError, match=words):
        propose(tmp_path / "a.jsonl")
