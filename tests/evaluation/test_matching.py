"""Classes of data and outputs of a model, matched by name."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.errors import DataError
from finetune.evaluation.matching import distinct, model_targets, outputs_of, read_class_names
from finetune.labels import LabelSpace

IMAGENET = LabelSpace(distinct(["tench, Tinca tinca", "crane", "crane", "great white shark, white shark"]))
IDS = ("n01440764", "n02012849", "n03126707", "n01484850")


def test_names_are_matched_whatever_their_order_and_on_a_subset():
    assert outputs_of(LabelSpace(("carton", "can")), LabelSpace(("bottle", "can", "carton"))) == [2, 1]


def test_a_part_of_a_name_will_do_where_it_is_the_only_one():
    assert outputs_of(LabelSpace(("white shark", "tench")), IMAGENET) == [3, 0]
    with pytest.raises(DataError, match="the model has no class 'crane'"):
        outputs_of(LabelSpace(("crane",)), IMAGENET)


def test_as_many_wordnet_ids_as_outputs_are_matched_in_sorted_order():
    assert outputs_of(LabelSpace(IDS), IMAGENET) == [0, 2, 3, 1]


def test_some_of_all_wordnet_ids_keep_their_places():
    whole, model = LabelSpace(IDS), LabelSpace(("a", "b", "c", "d"))
    assert outputs_of(LabelSpace((IDS[2], IDS[0])), model, whole=whole) == [3, 0]


def test_some_wordnet_ids_need_a_file_that_names_all(tmp_path):
    with pytest.raises(DataError, match=r"the data have 2 WordNet ids, the model has 4 outputs; .*--class-names"):
        outputs_of(LabelSpace(IDS[:2]), IMAGENET)
    names = tmp_path / "LOC_synset_mapping.txt"
    names.write_text("".join(f"{wordnet} some, words\n" for wordnet in IDS))
    assert outputs_of(LabelSpace((IDS[3], IDS[1])), IMAGENET, read_class_names(names)) == [3, 1]


def test_a_file_of_plain_names_is_taken_line_by_line(tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("﻿tin can\n\nbottle of milk\n", encoding="utf-8")
    assert read_class_names(names) == ["tin can", "bottle of milk"]
    with pytest.raises(DataError, match="2 class names are given, but the model has 4 outputs"):
        outputs_of(LabelSpace(("tin can",)), IMAGENET, read_class_names(names))


def test_a_class_that_the_model_lacks_is_named_with_the_nearest():
    with pytest.raises(DataError, match="no class 'cartn'; did you mean 'carton'"):
        outputs_of(LabelSpace(("can", "cartn")), LabelSpace(("can", "carton")))


def test_targets_are_put_into_the_model_s_order_and_what_data_do_not_know_is_unknown():
    assert model_targets(np.array([0, 1, -1]), [2, 0], 3).tolist() == [2, 0, -1]
    placed = model_targets(np.array([[1, 0], [-1, 1]], dtype=np.int8), [2, 0], 3)
    assert placed.tolist() == [[0, -1, 1], [1, -1, -1]]
