"""Average precision and AUROC against their definitions, written out, and against scikit-learn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sklearn.metrics as sk

from finetune.metrics.ranking import rank_scores


def average_precision_by_definition(positive, scores):
    """Precision at each distinct score, times the share of positives that it adds."""
    total, before = 0.0, 0
    for threshold in sorted(set(scores), reverse=True):
        taken = [p for p, score in zip(positive, scores, strict=True) if score >= threshold]
        total += (sum(taken) - before) * sum(taken) / len(taken)
        before = sum(taken)
    return total / sum(positive)


def auroc_by_definition(positive, scores):
    """Share of (positive, negative) pairs in the right order, ties counting half."""
    pairs = itertools.product(
        [s for p, s in zip(positive, scores, strict=True) if p],
        [s for p, s in zip(positive, scores, strict=True) if not p],
    )
    return float(np.mean([1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs]))


@pytest.mark.parametrize("positive", list(itertools.product([True, False], repeat=4))[1:-1])
@pytest.mark.parametrize("scores", [(4, 3, 2, 1), (2, 2, 1, 1), (1, 2, 2, 3), (7, 7, 7, 7), (1, 9, 9, 9)], ids=str)
def test_every_labelling_of_four_scores_with_and_without_ties_follows_the_definitions(positive, scores):
    found = rank_scores(np.array(positive), np.array(scores, dtype=np.float32))
    assert found == pytest.approx(
        (average_precision_by_definition(positive, scores), auroc_by_definition(positive, scores))
    )


@pytest.mark.parametrize("decimals", [9, 1], ids=["no ties", "many ties"])
def test_a_thousand_scores_give_what_scikit_learn_gives(decimals):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=1000).round(decimals)
    positive = rng.random(1000) < 0.1
    expected = sk.average_precision_score(positive, scores), sk.roc_auc_score(positive, scores)
    assert rank_scores(positive, scores) == pytest.approx(expected, abs=1e-12)


def test_a_perfect_ranking_is_exactly_1():
    positive = np.arange(1000) < 7
    assert rank_scores(positive, -np.arange(1000.0)) == (1.0, 1.0)


def test_without_positives_there_is_neither_and_without_negatives_no_auroc():
    assert rank_scores(np.zeros(3, dtype=bool), np.arange(3.0)) == (None, None)
    assert rank_scores(np.ones(3, dtype=bool), np.arange(3.0)) == (1.0, None)
    assert rank_scores(np.zeros(0, dtype=bool), np.zeros(0)) == (None, None)
