"""What was tuned, saved with a model and read back."""

from __future__ import annotations

import pytest

from finetune.errors import CheckpointError
from finetune.labels import LabelSpace
from finetune.model.decision import FILE, Decision, read_decision, write_decision

LABELS = LabelSpace(("can", "carton"))


@pytest.mark.parametrize(
    "decision",
    [
        Decision(temperature=(1.25,)),
        Decision(temperature=(1.25, 0.5), thresholds=(0.1, 0.9)),
        Decision(abstain_below=0.4),
    ],
)
def test_what_is_written_is_read_back(tmp_path, decision):
    write_decision(tmp_path, decision, LABELS, {"split": "validation"})
    assert read_decision(tmp_path, LABELS) == decision


def test_classes_in_another_order_get_their_own_numbers(tmp_path):
    write_decision(tmp_path, Decision(thresholds=(0.1, 0.9)), LABELS, {})
    assert read_decision(tmp_path, LabelSpace(("carton", "can"))).thresholds == (0.9, 0.1)


def test_a_decision_that_says_nothing_leaves_no_file(tmp_path):
    write_decision(tmp_path, Decision(abstain_below=0.4), LABELS, {})
    write_decision(tmp_path, Decision(), LABELS, {})
    assert not (tmp_path / FILE).exists()
    assert read_decision(tmp_path, LABELS) == Decision()


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"thresholds": {"can": 0.5}, "temperature": null, "abstain_below": null}']
)
def test_a_damaged_file_or_other_classes_are_told_with_what_to_do(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(
        CheckpointError, match=r"decision.json: is no decision for the classes can, carton .* delete it"
    ):
        read_decision(tmp_path, LABELS)
