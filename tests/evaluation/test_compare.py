"""Comparing runs: the tests by hand, the same images, and what is refused."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from finetune.errors import DataError, RunFolderError
from finetune.evaluation import Judge, Scored, write_outcome
from finetune.evaluation.compare import compare, sign_test
from finetune.evaluation.comparison_table import comparison_table
from finetune.labels import LabelSpace
from finetune.metrics import score_metrics
from finetune.model.decision import Decision
from finetune.run_folder import ResultFolder

NAMES = ("can", "carton", "milk_bottle")


@pytest.fixture
def write(tmp_path):
    """A function that writes a model's predictions of images as an evaluation."""

    def make(name, logits, truth, paths=None, names=NAMES, task="multiclass", split="test", together=None):
        folder = ResultFolder(tmp_path / name)
        folder.path.mkdir()
        paths = paths or [f"{i}.jpg" for i in range(len(truth))]
        write_outcome(
            folder, Judge(Decision()), [Scored(split, task, LabelSpace(names), paths, logits, truth, together)]
        )
        return folder.path

    return make


def answers(truth, wrong):
    """Logits that are right but for some images."""
    said = truth.copy()
    said[wrong] = (truth[wrong] + 1) % 3
    return 3 * np.eye(3)[said] + np.random.default_rng(0).normal(size=(len(truth), 3)) * 0.1


TRUTH = np.arange(60) % 3


@pytest.mark.parametrize(("only_one", "only_other"), [(0, 5), (3, 9), (12, 1), (6, 6)])
def test_mcnemars_test_is_the_binomial_sum(only_one, only_other):
    total, least = only_one + only_other, min(only_one, only_other)
    tail = sum(math.comb(total, k) for k in range(least + 1)) / 2**total
    leads = np.array([-1] * only_one + [1] * only_other + [0] * 7)
    assert sign_test(leads) == pytest.approx(min(1.0, 2 * tail))


def test_the_test_of_groups_counts_every_way_their_signs_could_fall():
    leads = np.array([3, -1, 2, 2, 0, 1])
    sums = [abs(np.dot(signs, leads)) for signs in itertools.product((-1, 1), repeat=len(leads))]
    assert sign_test(leads) == pytest.approx(np.mean(np.array(sums) >= abs(leads.sum())))


def test_images_of_one_group_are_tested_as_one(write):
    """Twenty images more are right, but they are of one group: chance would do that every second time."""
    together = np.concatenate([np.zeros(20, int), np.arange(1, 41)])
    worse = write("a", answers(TRUTH, range(20)), TRUTH, together=together)
    alone = write("c", answers(TRUTH, range(20)), TRUTH)
    better = write("b", answers(TRUTH, []), TRUTH, together=together)
    found, single = compare([worse, better]), compare([alone, write("d", answers(TRUTH, []), TRUTH)])
    assert found.differences[0].p == 1.0
    assert single.differences[0].p == pytest.approx(2 / 2**20)
    assert "the images are of 41 groups, which are drawn and tested whole" in found.notes
    (low, high), (near, far) = (one.differences[0].metrics["accuracy"]["interval"] for one in (found, single))
    assert high - low > 2 * (far - near)


def test_a_model_that_abstains_is_no_worse_than_the_same_one_that_does_not(write, tmp_path):
    plain = write("a", answers(TRUTH, range(24)), TRUTH)
    shy = ResultFolder(tmp_path / "shy")
    shy.path.mkdir()
    scored = Scored(
        "test", "multiclass", LabelSpace(NAMES), [f"{i}.jpg" for i in range(60)], answers(TRUTH, range(24)), TRUTH
    )
    write_outcome(shy, Judge(Decision(abstain_below=0.95)), [scored])
    found = compare([plain, shy.path])
    (difference,) = found.differences
    assert (difference.only_first, difference.only_this, difference.p) == (0, 0, 1.0)
    assert any("abstains on" in note for note in found.notes)


def test_a_clearly_better_run_is_said_to_be_better(write):
    worse, better = write("a", answers(TRUTH, range(24)), TRUTH), write("b", answers(TRUTH, range(20, 23)), TRUTH)
    found = compare([worse, better])
    (difference,) = found.differences
    assert (difference.only_first, difference.only_this) == (0, 21)
    assert difference.p == pytest.approx(2 / 2**21)
    change = difference.metrics["accuracy"]
    assert change["difference"] == pytest.approx(21 / 60)
    assert 0 < change["interval"][0] < 21 / 60 < change["interval"][1]
    assert len(found.differing) == 21
    assert found.differing[0]["right"] == {str(worse): False, str(better): True}
    text = comparison_table(found, images=3)
    assert f"{better} is right more often" in text
    assert "21 of 60 images are not decided alike, the first 3:" in text


def test_the_metrics_are_those_of_the_runs(write):
    logits = answers(TRUTH, [1, 2, 3])
    found = compare([write("a", logits, TRUTH), write("b", answers(TRUTH, []), TRUTH)])
    expected = score_metrics("multiclass", logits, TRUTH, LabelSpace(NAMES))
    for key in ("accuracy", "loss", "mAP", "f1_macro", "balanced_accuracy"):
        assert found.metrics[found.runs[0]][key] == pytest.approx(expected[key]), key


def test_a_run_does_not_differ_from_itself(write):
    path = write("a", answers(TRUTH, [1, 2]), TRUTH)
    found = compare([path, path])
    assert found.differences[0].p == 1.0
    assert {value["difference"] for value in found.differences[0].metrics.values()} == {0.0}
    assert found.differing == []
    assert "they decide every image alike" in comparison_table(found)
    assert "no difference is shown" in comparison_table(found)


def test_paired_draws_make_a_narrower_interval_than_the_runs_own(write):
    found = compare([write("a", answers(TRUTH, range(20)), TRUTH), write("b", answers(TRUTH, range(18)), TRUTH)])
    low, high = found.differences[0].metrics["accuracy"]["interval"]
    own = found.metrics[found.runs[0]]["intervals"]["accuracy"]
    assert high - low < (own[1] - own[0]) / 2


def test_several_runs_have_holms_correction(write):
    wrong = (range(20), range(8), range(19))
    found = compare([write("abc"[i], answers(TRUTH, each), TRUTH) for i, each in enumerate(wrong)])
    by_p = sorted(found.differences, key=lambda one: one.p)
    assert by_p[0].p_holm == pytest.approx(2 * by_p[0].p)
    assert by_p[1].p_holm == pytest.approx(max(by_p[1].p, 2 * by_p[0].p))


def test_runs_of_several_labels_compare_by_what_they_decided(write):
    truth = (np.random.default_rng(0).random((40, 3)) < 0.5).astype(np.int8)
    good = 4.0 * truth - 2
    bad = good.copy()
    bad[:10, 0] *= -1
    found = compare([write("a", bad, truth, task="multilabel"), write("b", good, truth, task="multilabel")])
    assert found.differences[0].only_this == 10
    assert found.metrics[found.runs[1]]["f1_macro"] == 1.0
    assert found.differences[0].metrics["hamming_accuracy"]["difference"] == pytest.approx(10 / 120)


def test_only_images_of_both_with_the_same_labels_are_compared(write):
    other = TRUTH.copy()
    other[15] = (other[15] + 1) % 3
    one = write("a", answers(TRUTH, []), TRUTH)
    found = compare([one, write("b", answers(TRUTH, []), np.roll(other, -10), [f"{i}.jpg" for i in range(10, 70)])])
    assert found.images == 49
    assert found.notes == [
        f"compared on the 50 images that all have (of 60 of {found.runs[0]}, 60 of {found.runs[1]})",
        "1 images are left out, because their labels are not the same",
    ]


def test_classes_in_another_order_compare(write):
    order = ["milk_bottle", "can", "carton"]
    place = np.array([order.index(name) for name in NAMES])
    logits = answers(TRUTH, [4])
    other = write("b", logits[:, [NAMES.index(name) for name in order]], place[TRUTH], names=tuple(order))
    found = compare([write("a", logits, TRUTH), other])
    assert found.differing == []
    assert found.metrics[found.runs[0]]["mAP"] == pytest.approx(found.metrics[found.runs[1]]["mAP"])


def test_the_same_data_at_another_place_compare(write):
    names = [f"{NAMES[kind]}/{i}.jpg" for i, kind in enumerate(TRUTH)]
    here, there = ([f"{root}/{name}" for name in names] for root in ("/photos", "/mnt/disk/photos"))
    one, other = write("a", answers(TRUTH, range(9)), TRUTH, here), write("b", answers(TRUTH, []), TRUTH, there)
    for folder, known in ((one, "1234"), (other, "1234")):
        ResultFolder(folder).write_data({"data": {"fingerprint": known}})
    found = compare([one, other])
    assert (found.images, found.differing[0]["path"]) == (60, here[0])
    ResultFolder(other).write_data({"data": {"fingerprint": "5678"}})
    with pytest.raises(DataError, match="have no image in common"):
        compare([one, other])


def test_what_does_not_compare_is_refused(write, tmp_path):
    one = write("a", answers(TRUTH, []), TRUTH)
    with pytest.raises(DataError, match="at least two runs"):
        compare([one])
    with pytest.raises(RunFolderError, match="there is no such folder; expected a finished run"):
        compare([one, tmp_path / "nowhere"])
    with pytest.raises(DataError, match="only runs of the same classes compare"):
        compare([one, write("b", answers(TRUTH, []), TRUTH, names=("can", "carton", "glass"))])
    with pytest.raises(DataError, match="have no image in common"):
        compare([one, write("c", answers(TRUTH, []), TRUTH, paths=[f"other/{i}.jpg" for i in range(60)])])
    with pytest.raises(DataError, match="has no split train, but test"):
        compare([one, one], split="train")
    both = write("d", answers(TRUTH, []), TRUTH, split="validation")
    assert compare([one, both]).images == 60  # each has a single split


def test_the_command_prints_and_writes_all_of_it(write, command, tmp_path):
    one, other = write("a", answers(TRUTH, range(24)), TRUTH), write("b", answers(TRUTH, []), TRUTH)
    done = command("compare", str(one), str(other), "--images", "2", "--out", str(tmp_path / "all.json"))
    assert done.returncode == 0, done.stderr
    assert "McNemar" in done.stdout
    assert Path(tmp_path / "all.json").read_text().count('"path"') == 24
