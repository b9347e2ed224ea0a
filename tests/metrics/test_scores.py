"""Log-probabilities and log-odds, exact where float32 probabilities give up."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from finetune.metrics import scores
from finetune.metrics.scores import log_softmax, sigmoid, softmax_log_odds


def test_log_softmax_of_huge_and_tiny_logits_is_finite():
    found = log_softmax(np.array([[1e30, 0.0], [-1e30, 0.0], [0.0, 0.0]], dtype=np.float32))
    assert np.isfinite(found).all()
    assert found[2].tolist() == [-np.log(2)] * 2


def test_log_odds_are_the_logarithm_of_p_over_1_minus_p():
    weights = np.array([[1, 2, 5], [7, 1, 2]])  # softmax of their logarithms: weight / sum
    exact = [[float(Fraction(int(w), int(row.sum() - w))) for w in row] for row in weights]
    assert np.exp(softmax_log_odds(log_softmax(np.log(weights)))) == pytest.approx(np.array(exact))


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_log_odds_order_images_as_their_logits_where_probabilities_round_to_1(classes):
    logits = np.zeros((4, classes))
    logits[:, 0] = [100.0, 200.0, 50.0, 1.0]
    order = softmax_log_odds(log_softmax(logits))[:, 0].argsort()
    assert order.tolist() == [3, 2, 0, 1]


def test_log_odds_of_a_class_tie_whatever_the_order_of_the_other_logits_and_whatever_is_added_to_all():
    logits = np.random.default_rng(0).integers(-4, 5, (200, 5)) / 2  # many rows have several highest logits
    before = softmax_log_odds(log_softmax(logits))
    for others in ([0, 2, 3, 4, 1], [0, 4, 3, 2, 1], [0, 3, 1, 4, 2]):
        assert np.array_equal(softmax_log_odds(log_softmax(logits[:, others] + 3.0))[:, 0], before[:, 0])


def test_log_odds_of_a_single_class_rank_nothing():
    assert softmax_log_odds(log_softmax(np.array([[3.0], [5.0]]))).tolist() == [[0.0], [0.0]]


def test_working_in_pieces_changes_nothing(monkeypatch):
    logits = np.random.default_rng(0).normal(size=(7, 3))
    whole = softmax_log_odds(log_softmax(logits))
    monkeypatch.setattr(scores, "_BLOCK_CELLS", 6)  # two images at a time
    assert np.array_equal(softmax_log_odds(log_softmax(logits)), whole)


def test_what_is_given_is_not_changed():
    logits = np.random.default_rng(0).normal(size=(4, 3))
    before = logits.copy()
    probabilities = log_softmax(logits)
    kept = probabilities.copy()
    softmax_log_odds(probabilities)
    assert np.array_equal(logits, before)
    assert np.array_equal(probabilities, kept)


def test_sigmoid_is_symmetric_and_does_not_overflow():
    logits = np.array([0.0, 1.0, 30.0, 800.0], dtype=np.float32)
    assert sigmoid(logits) + sigmoid(-logits) == pytest.approx(np.ones(4))
    assert sigmoid(np.array([-800.0]))[0] == 0.0
