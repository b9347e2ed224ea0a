"""A linear head by a solver, against scikit-learn by itself and against what can be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from finetune.errors import TrainingError
from finetune.model.head import ONE_CLASS_BIAS
from finetune.training.linear_head import Search, deal_folds, fit_head

SEARCH = Search(folds=4, strengths=5, seed=0)


def clouds(classes: int, images: int = 60, width: int = 6, apart: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping clouds of features of very different scales, and their classes in turn."""
    rng = np.random.default_rng(0)
    ids = np.arange(images) % classes
    centres = apart * rng.normal(size=(classes, width))
    scales = np.logspace(-1, 1, width)
    return ((rng.normal(size=(images, width)) + centres[ids]) * scales + 3).astype(np.float32), ids


def scikit_learn(features: np.ndarray, truth: np.ndarray, c: float, **options) -> np.ndarray:
    model = LogisticRegression(C=c, tol=1e-6, max_iter=5000, **options)
    return make_pipeline(StandardScaler(), model).fit(features.astype(np.float64), truth).decision_function(features)


def logits(head, features: np.ndarray) -> np.ndarray:
    return features @ head.weight.T + head.bias


def test_the_logits_of_several_classes_are_scikit_learns():
    features, ids = clouds(4)
    head = fit_head(features, ids, 4, SEARCH, [None])
    assert head.converged
    assert np.abs(logits(head, features) - scikit_learn(features, ids, head.strength)).max() < 1e-4


def test_between_two_classes_one_logit_leads_by_scikit_learns_decision():
    features, ids = clouds(2)
    found = logits(fit_head(features, ids, 2, SEARCH, [None]), features)
    expected = scikit_learn(features, ids, fit_head(features, ids, 2, SEARCH, [None]).strength)
    assert np.abs(found[:, 1] - found[:, 0] - expected).max() < 1e-4


def test_a_label_is_fitted_on_the_rows_where_it_is_known():
    features, ids = clouds(3)
    targets = (ids[:, None] == np.arange(3)).astype(np.int8)
    targets[:20, 1] = -1
    head = fit_head(features, targets, 3, SEARCH, [None] * 3)
    known = targets[:, 1] >= 0
    scaled = (features - features.mean(axis=0, dtype=np.float64)) / features.std(axis=0, dtype=np.float64)
    model = LogisticRegression(C=head.strength, tol=1e-6, max_iter=5000).fit(scaled[known], targets[known, 1])
    assert np.abs(logits(head, features)[:, 1] - model.decision_function(scaled)).max() < 1e-4


def test_labels_without_a_contrast_get_their_smoothed_log_odds():
    features, ids = clouds(2, images=9)
    targets = np.stack([ids, np.zeros(9), np.ones(9), np.full(9, -1)], axis=1).astype(np.int8)
    head = fit_head(features, targets, 4, SEARCH, [None] * 4)
    assert not head.weight[1:].any()
    assert head.bias[1:] == pytest.approx([math.log(0.5 / 10), math.log(9.5 / 1), math.log(0.5)])


def test_a_class_without_an_image_is_never_decided_on_and_the_others_are_as_without_it():
    features, ids = clouds(3)
    without, beside = (fit_head(features, ids * 2, 5, SEARCH, [None]), fit_head(features, ids, 3, SEARCH, [None]))
    assert np.abs(logits(without, features)[:, ::2] - logits(beside, features)).max() < 1e-5
    assert without.bias[[1, 3]] == pytest.approx(math.log(0.5 / 61))
    assert set(logits(without, features).argmax(axis=1)) <= {0, 2, 4}


def test_one_class_alone_has_the_bias_at_which_a_sigmoid_says_one():
    features, _ = clouds(2)
    head = fit_head(features, np.zeros(60, dtype=np.int64), 1, SEARCH, [None])
    assert (head.weight.any(), head.bias.tolist()) == (False, [ONE_CLASS_BIAS])


def test_the_strength_is_the_one_whose_held_out_loss_is_least():
    features, ids = clouds(3)
    fold_of = deal_folds(ids, 4, seed=0)
    losses = {}
    for c in (1e-4, 1e-2, 1.0, 1e2):
        held_out = []
        for fold in range(4):
            scaled = StandardScaler().fit_transform(features.astype(np.float64))
            model = LogisticRegression(C=c, tol=1e-6, max_iter=5000).fit(scaled[fold_of != fold], ids[fold_of != fold])
            probabilities = model.predict_proba(scaled[fold_of == fold])
            held_out += list(-np.log(probabilities[np.arange(len(probabilities)), ids[fold_of == fold]]))
        losses[c] = np.mean(held_out)
    head = fit_head(features, ids, 3, SEARCH, [None])
    assert head.strength == min(losses, key=losses.get)
    assert {c: head.log_losses[c] for c in losses} == pytest.approx(losses, rel=0.01)


def test_labels_of_pure_chance_get_the_strongest_regularisation_and_weaker_ones_are_not_tried_for_long():
    features, _ = clouds(2)
    ids = np.random.default_rng(1).integers(0, 2, 60)
    head = fit_head(features, ids, 2, Search(folds=5, strengths=9, seed=0), [None])
    assert head.strength == min(head.log_losses)
    assert len(head.log_losses) < 9


@pytest.mark.parametrize(("strengths", "tried"), [(1, []), (3, [1e-4, 1.0, 1e4])])
def test_so_many_strengths_are_tried_evenly_on_a_logarithmic_scale(strengths, tried):
    features, ids = clouds(3)
    assert list(fit_head(features, ids, 3, Search(3, strengths, 0), [None]).log_losses) == tried


def test_where_every_class_has_one_image_nothing_is_held_out():
    features, ids = clouds(3, images=3)
    head = fit_head(features, ids, 3, SEARCH, [None])
    assert (head.strength, head.log_losses) == (1.0, {})
    assert logits(head, features).argmax(axis=1).tolist() == [0, 1, 2]


def test_every_class_is_spread_over_the_folds_and_a_single_image_is_in_none():
    classes = np.array([0] * 10 + [1] * 3 + [2])
    fold_of = deal_folds(classes, 5, seed=3)
    assert np.bincount(fold_of[:10]).tolist() == [2] * 5
    assert len(set(fold_of[10:13])) == 3
    assert fold_of[13] == -1
    assert fold_of.tolist() != deal_folds(classes, 5, seed=4).tolist()


@pytest.fixture
def near_copies() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """24 groups of 5 images that are almost alike, a random class for each group, and the groups' numbers."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(24), 5)
    features = rng.normal(size=(24, 32))[groups] + 0.01 * rng.normal(size=(120, 32))
    return features.astype(np.float32), rng.integers(0, 2, 24)[groups], groups


@pytest.mark.parametrize("seed", range(4))
def test_random_classes_of_groups_get_a_strong_regularisation_and_a_weak_one_where_groups_are_not_known(
    near_copies, seed
):
    features, ids, groups = near_copies
    search = Search(folds=5, strengths=10, seed=seed)
    assert fit_head(features, ids, 2, search, [None], together=groups).strength < 0.01
    assert fit_head(features, ids, 2, search, [None]).strength > 100
    truth = ids[:, None].astype(np.int8)
    truth[::7] = -1  # unknown: the groups of the others still count
    assert fit_head(features, truth, 1, search, [None], together=groups).strength < 0.01


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("seed", range(10))
def test_groups_are_dealt_whole_in_near_equal_parts_and_every_fold_can_learn_every_class(classes, seed):
    rng = np.random.default_rng(seed)
    ids, groups = rng.integers(0, classes, 60), rng.integers(0, 15, 60)
    fold_of = deal_folds(ids, 3, seed, groups)
    assert all(len(set(fold_of[groups == group])) == 1 for group in groups)
    assert all(set(ids[fold_of != fold]) == set(ids) for fold in range(3))
    assert np.ptp(np.bincount(fold_of[fold_of >= 0], minlength=3)) <= 12


def test_a_class_that_is_all_in_one_group_is_never_held_out():
    ids = np.array([0] * 6 + [1] * 4 + [2] * 2)
    fold_of = deal_folds(ids, 2, 0, together=np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]))
    assert fold_of[10:].tolist() == [-1, -1]
    assert set(fold_of[:10]) == {0, 1}


def test_where_every_group_has_a_class_of_its_own_nothing_is_held_out():
    features, ids = clouds(3)
    head = fit_head(features, ids, 3, SEARCH, [None], together=ids)
    assert (head.strength, head.log_losses) == (1.0, {})


def test_without_groups_images_are_dealt_as_if_no_groups_were_known():
    ids = np.random.default_rng(0).integers(0, 4, 50)
    assert deal_folds(ids, 5, 3, together=np.arange(50)[::-1]).tolist() == deal_folds(ids, 5, 3).tolist()


def test_weights_are_those_of_scikit_learn():
    features, ids = clouds(2)
    few = np.flatnonzero((ids == 0) | (np.arange(60) % 10 == 1))
    features, ids = features[few], ids[few]
    balanced = fit_head(features, ids, 2, SEARCH, ["balanced"])
    expected = scikit_learn(features, ids, balanced.strength, class_weight="balanced")
    assert np.abs(np.diff(logits(balanced, features))[:, 0] - expected).max() < 1e-4
    given = fit_head(features, ids[:, None].astype(np.int8), 1, SEARCH, [{0: 1.0, 1: 7.0}])
    expected = scikit_learn(features, ids, given.strength, class_weight={0: 1.0, 1: 7.0})
    assert np.abs(logits(given, features)[:, 0] - expected).max() < 1e-4


def test_a_layer_without_bias_is_fitted_without_one():
    features, ids = clouds(3, apart=3.0)
    features -= features.mean(axis=0)
    head = fit_head(features, ids, 3, SEARCH, [None], with_bias=False)
    assert not head.bias.any()
    assert ((features @ head.weight.T).argmax(axis=1) == ids).mean() > 0.9


def test_features_that_are_no_numbers_are_refused():
    features, ids = clouds(3)
    features[7, 2] = np.nan
    with pytest.raises(TrainingError, match=r"features of images 0 to 59 are not finite; set run\.precision: fp32"):
        fit_head(features, ids, 3, SEARCH, [None])
