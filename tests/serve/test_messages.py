"""Azure's request forms, word by word."""

from __future__ import annotations

import json
import math

import pytest

from finetune.predict import Prediction
from finetune.serve.messages import parse_request, shaped
from finetune.serve.refused import RefusedError


@pytest.mark.parametrize(
    "data",
    [
        ["a", "b"],
        [["a"], ["b"]],
        {"columns": ["image"], "index": [0, 1], "data": ["a", "b"]},
        {"columns": ["image"], "data": [["a"], ["b"]]},
        {"data": ["a", "b"]},
        {"columns": ["name", "image"], "index": ["x", "y"], "data": [["1", "a"], ["2", "b"]]},
    ],
)
def test_every_form_of_a_request_names_the_same_images(data):
    assert parse_request(json.dumps({"input_data": data}).encode()) == ["a", "b"]
    assert parse_request(json.dumps({"input_data": data, "params": {}}).encode()) == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "reason", "image"),
    [
        (b"", "no JSON", None),
        (b"\xff\xfe", "no JSON", None),
        (b"[" * 300_000, "nested too deeply", None),
        (b"9" * 5000, "no JSON", None),
        (b"[]", "has no input_data", None),
        (b'{"input_data": []}', "has no image", None),
        (b'{"input_data": {"data": []}}', "has no image", None),
        (b'{"input_data": "a"}', "a string without a list of data", None),
        (b'{"input_data": ["a"], "top_k": 3}', "unknown key 'top_k'", None),
        (b'{"input_data": ["a"], "params": {"top_k": 3}}', "unknown key 'params'", None),
        (b'{"input_data": ["a"], "params": false}', "unknown key 'params'", None),
        (b'{"input_data": ["a", 3]}', "image 1: found a number, expected a string", 1),
        (b'{"input_data": ["a", ["b", "c"]]}', "image 1: found a list", 1),
        (b'{"input_data": {"columns": ["picture"], "data": ["a"]}}', "columns is ", None),
        (b'{"input_data": {"columns": ["image"], "index": [0], "data": ["a", "b"]}}', "each of the 2 rows", None),
        (b'{"input_data": {"columns": ["image", "x"], "data": [["a", "b"], ["c"]]}}', "image 1: 1 values for 2", 1),
    ],
)
def test_what_is_no_request_is_refused_with_the_place(body, reason, image):
    with pytest.raises(RefusedError, match=reason) as caught:
        parse_request(body)
    assert (caught.value.status, caught.value.image) == (422, image)


def test_a_score_that_is_no_number_is_null():
    said = Prediction(None, [], {"can": math.nan})
    assert shaped(said, "records", ["can"]) == {"0": {"label": "can", "score": None}}
