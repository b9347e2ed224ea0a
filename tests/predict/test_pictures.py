"""Which held-out images are worth seeing, and their files."""

from __future__ import annotations

from PIL import Image

from finetune.model import open_saved
from finetune.predict import how_sure, is_right, worth_seeing, write_pictures


def row(true: str, **probabilities: float) -> dict:
    return {
        "path": "",
        "true": [true],
        "predicted": [max(probabilities, key=probabilities.get)],
        "probabilities": probabilities,
    }


def test_mistakes_begin_with_the_surest_and_hits_with_the_least_sure():
    rows = [row("a", a=0.9, b=0.1), row("a", a=0.4, b=0.6), row("b", a=0.8, b=0.2), row("b", a=0.45, b=0.55)]
    assert worth_seeing(rows, "multiclass") == {"label_errors": [], "mistakes": [2, 1], "hits": [3, 0]}


def test_what_the_model_did_not_answer_is_no_mistake():
    rows = [{**row("a", a=0.4, b=0.6), "predicted": []}, row("a", a=0.1, b=0.9)]
    assert worth_seeing(rows, "multiclass") == {"label_errors": [], "mistakes": [1], "hits": []}


def test_suspected_labels_are_shown_in_their_order():
    rows = [{**row("a", a=0.9, b=0.1), "path": f"{place}.jpg"} for place in range(3)]
    assert worth_seeing(rows, "multiclass", ["2.jpg", "0.jpg"])["label_errors"] == [2, 0]


def test_several_labels_are_as_sure_as_the_surest_wrong_one():
    wrong = {"true": ["a"], "predicted": ["a", "b"], "probabilities": {"a": 0.99, "b": 0.7, "c": 0.4}}
    right = {"true": ["a"], "predicted": ["a"], "probabilities": {"a": 0.99, "b": 0.2, "c": 0.4}}
    missed = {
        "true": ["a", "c"],
        "predicted": ["a"],
        "probabilities": {"a": 0.99, "b": 0.7, "c": 0.1},
        "unknown": ["b"],
    }
    assert [how_sure(one, "multilabel") for one in (wrong, right, missed)] == [0.7, 0.6, 0.9]
    assert [is_right(one) for one in (wrong, right, missed)] == [False, True, False]


def test_an_unknown_label_is_no_mistake():
    assert is_right({"true": ["a"], "predicted": ["a", "b"], "unknown": ["b"], "probabilities": {}})


def test_each_image_has_a_thumbnail_and_one_picture_for_each_token(tmp_path, tiny_distilled):
    loaded = open_saved(tiny_distilled)
    images = {3: Image.new("RGB", (400, 100), "red"), 7: Image.new("RGB", (40, 48), "blue")}
    files = write_pictures(tmp_path / "pictures", "test", [3, 7], images.__getitem__, loaded)
    assert files[3] == {
        "thumbnail": "test-00003.jpg",
        "class token": "test-00003-class-token.jpg",
        "distillation token": "test-00003-distillation-token.jpg",
    }
    for name, size in ((files[3]["thumbnail"], (192, 48)), (files[7]["class token"], (192, 192))):
        with Image.open(tmp_path / "pictures" / name) as picture:
            assert picture.size == size
