"""Losses as sums and counts, against torch and against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import log
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from finetune.labels import LabelSpace
from finetune.model import choose_task, losses, model_logits
from finetune.model.task import Multiclass, Multilabel
from finetune.recipe import with_overrides

ONES = torch.ones
WEIGHTS = (0.5, 1.0, 3.0)
MULTICLASS = {
    "cross_entropy": Multiclass(0.1, WEIGHTS),
    "each_class_alone": Multiclass(0.1, WEIGHTS, losses.each_class_alone),
    "softmax_focal": Multiclass(0.1, WEIGHTS, partial(losses.focal, gamma=2.0)),
}
ASYMMETRIC = partial(losses.asymmetric, gammas=(1.0, 4.0), margin=0.05)
MULTILABEL = {
    "binary_cross_entropy": Multilabel(0.1, WEIGHTS, pos_weight=(2.0, 1.0, 7.0)),
    "binary_focal": Multilabel(0.1, WEIGHTS, partial(losses.binary_focal, gamma=2.0), (2.0, 1.0, 7.0)),
    "asymmetric": Multilabel(0.1, WEIGHTS, ASYMMETRIC, (2.0, 1.0, 7.0)),
}
"""Every loss, with all that may weigh its terms."""


def outputs(logits: torch.Tensor, **heads: torch.Tensor) -> SimpleNamespace:
    return SimpleNamespace(logits=logits, **heads)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_recipe_chooses_the_task_once(recipe):
    assert choose_task(recipe("x")).problem_type == "single_label_classification"
    assert choose_task(recipe("x", task="multilabel")).problem_type == "multi_label_classification"
    assert [choose_task(recipe("x", task=task)).name for task in ("multiclass", "multilabel")] == [
        "multiclass",
        "multilabel",
    ]


def test_cross_entropy_of_two_images_by_hand():
    logits = torch.tensor([[0.0, 0.0], [log(3.0), 0.0]])
    task = Multiclass()
    loss = task.loss_sum(outputs(logits), torch.tensor([0, 1]), ONES(2))
    assert loss.item() == pytest.approx(log(2) + log(4))
    assert task.count(torch.tensor([0, 1]), ONES(2)).item() == 2


def test_binary_cross_entropy_of_an_image_by_hand():
    logits = torch.tensor([[0.0, log(3.0)]])
    loss = Multilabel().loss_sum(outputs(logits), torch.tensor([[1, 0]]), ONES(1))
    assert loss.item() == pytest.approx(log(2) + log(4))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_sum_over_count_is_torchs_mean_cross_entropy(smoothing):
    logits, targets = draw(7, 5), torch.tensor([0, 1, 2, 3, 4, 0, 1])
    task = Multiclass(label_smoothing=smoothing)
    mean = task.loss_sum(outputs(logits), targets, ONES(7)) / task.count(targets, ONES(7))
    assert mean.item() == pytest.approx(F.cross_entropy(logits, targets, label_smoothing=smoothing).item(), rel=1e-6)


def test_sum_over_count_is_torchs_mean_binary_cross_entropy():
    logits, targets = draw(6, 4), (draw(6, 4, seed=1) > 0).to(torch.int8)
    task = Multilabel()
    mean = task.loss_sum(outputs(logits), targets, ONES(6)) / task.count(targets, ONES(6))
    expected = F.binary_cross_entropy_with_logits(logits, targets.float())
    assert mean.item() == pytest.approx(expected.item(), rel=1e-6)


def test_smoothing_of_labels_moves_yes_and_no_towards_one_half():
    logits = torch.tensor([[log(3.0)]])  # probability 3/4
    loss = Multilabel(label_smoothing=0.2).loss_sum(outputs(logits), torch.tensor([[1]]), ONES(1))
    assert loss.item() == pytest.approx(-0.9 * log(3 / 4) - 0.1 * log(1 / 4))


@pytest.mark.parametrize(
    ("task", "targets"),
    [
        *((task, torch.tensor([0, 2, 1, -1, 2, 1, 1, 0])) for task in MULTICLASS.values()),
        *((task, torch.tensor([[1, 0, -1], [-1, -1, -1], [0, 0, 1], [1, 1, 1]] * 2)) for task in MULTILABEL.values()),
    ],
    ids=[*MULTICLASS, *MULTILABEL],
)
@pytest.mark.parametrize("pieces", [[2, 2, 2, 2], [1, 4, 3]])
def test_pieces_of_a_batch_add_up_to_the_whole(task, targets, pieces):
    logits, padded = draw(8, 3), torch.tensor([1.0] * 7 + [0.0])
    whole = task.loss_sum(outputs(logits), targets, padded) / task.count(targets, padded)
    parts = list(zip(logits.split(pieces), targets.split(pieces), padded.split(pieces), strict=True))
    total = sum(task.loss_sum(outputs(part), known, weights) for part, known, weights in parts)
    count = sum(task.count(known, weights) for _, known, weights in parts)
    assert (total / count).item() == pytest.approx(whole.item(), rel=1e-6)


def test_padding_and_unknown_ids_count_nothing_whatever_the_loss_and_get_no_gradient():
    targets, weights = torch.tensor([1, -1, -100, 2]), torch.tensor([1.0, 1.0, 0.0, 0.0])
    for task in MULTICLASS.values():
        logits = draw(4, 3).requires_grad_()
        loss = task.loss_sum(outputs(logits), targets, weights)
        loss.backward()
        assert loss.item() == pytest.approx(task.loss_sum(outputs(logits[:1]), targets[:1], weights[:1]).item())
        assert logits.grad is not None
        assert logits.grad[0].abs().min() > 0
        assert logits.grad[1:].abs().max() == 0
        assert task.count(targets, weights) == 1


@pytest.mark.parametrize("task", MULTILABEL.values(), ids=MULTILABEL)
def test_unknown_cells_count_nothing_whatever_the_loss_and_the_logit(task):
    targets = torch.tensor([[1, -1, 0], [-1, 0, -1]], dtype=torch.int8)
    known = targets >= 0
    plain, wild = draw(2, 3), torch.where(known, draw(2, 3), torch.tensor(1e4)).requires_grad_()
    loss = task.loss_sum(outputs(wild), targets, ONES(2))
    loss.backward()
    assert loss.item() == task.loss_sum(outputs(plain), targets, ONES(2)).item()
    assert wild.grad is not None
    assert (wild.grad[~known] == 0).all()
    assert (wild.grad[known] != 0).all()


def test_padding_counts_nothing_and_gets_no_gradient():
    for task, targets in ((Multiclass(), torch.tensor([1, -100])), (Multilabel(), torch.tensor([[1, 0], [1, 1]]))):
        logits = draw(2, 2).requires_grad_()
        weights = torch.tensor([1.0, 0.0])
        loss = task.loss_sum(outputs(logits), targets, weights)
        loss.backward()
        alone = task.loss_sum(outputs(logits[:1]), targets[:1], weights[:1])
        assert loss.item() == pytest.approx(alone.item())
        assert logits.grad is not None
        assert logits.grad[1].tolist() == [0.0, 0.0]
        assert task.count(targets, weights) == task.count(targets[:1], weights[:1])


def test_unknown_cells_count_nothing_and_get_no_gradient():
    logits = torch.tensor([[0.0, 5.0, -7.0]], requires_grad=True)
    targets = torch.tensor([[1, -1, -1]], dtype=torch.int8)
    loss = Multilabel(label_smoothing=0.1).loss_sum(outputs(logits), targets, ONES(1))
    loss.backward()
    assert loss.item() == pytest.approx(log(2))
    assert logits.grad is not None
    assert logits.grad[0, 1:].tolist() == [0.0, 0.0]
    assert Multilabel().count(targets, ONES(1)) == 1


def test_an_image_of_which_nothing_is_known_adds_nothing():
    targets = torch.full((1, 3), -1)
    assert Multilabel().loss_sum(outputs(draw(1, 3)), targets, ONES(1)).item() == 0.0
    assert Multilabel().count(targets, ONES(1)).item() == 0.0


@pytest.mark.parametrize("task", [Multiclass(), Multilabel()], ids=lambda task: task.name)
def test_a_distilled_model_learns_with_the_mean_of_its_two_heads_losses(task):
    first, second = draw(3, 4), draw(3, 4, seed=1)
    targets = torch.tensor([0, 3, 2]) if task.name == "multiclass" else torch.tensor([[1, 0, 0, 1]] * 3)
    both = outputs((first + second) / 2, cls_logits=first, distillation_logits=second)
    expected = [task.loss_sum(outputs(logits), targets, ONES(3)).item() for logits in (first, second)]
    assert task.loss_sum(both, targets, ONES(3)).item() == pytest.approx(np.mean(expected))
    assert torch.equal(model_logits(both), (first + second) / 2)


@pytest.mark.parametrize("task", [*MULTICLASS.values(), *MULTILABEL.values()], ids=[*MULTICLASS, *MULTILABEL])
def test_the_loss_of_bf16_logits_is_computed_in_float32_under_autocast_too(task):
    logits = draw(64, 3).bfloat16()
    targets = torch.arange(64) % 3 if task.name == "multiclass" else (draw(64, 3, seed=1) > 0).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = task.loss_sum(outputs(logits), targets, ONES(64))
    assert loss.dtype == torch.float32
    assert torch.equal(loss, task.loss_sum(outputs(logits.float()), targets, ONES(64)))


# ---------------------------------------------------------------- blends, and weights of classes


@pytest.mark.parametrize("task", MULTICLASS.values(), ids=MULTICLASS)
def test_ids_and_the_shares_that_say_the_same_give_the_same_loss(task):
    ids, shares = torch.tensor([2, 0, 1]), torch.eye(3)[[2, 0, 1]]
    by_id, by_share = (task.logits_loss_sum(draw(3, 3), targets, ONES(3)) for targets in (ids, shares))
    assert torch.equal(by_id, by_share)
    assert task.count(ids, ONES(3)) == task.count(shares, ONES(3)) == 3


def test_a_blend_of_two_images_has_the_blend_of_their_losses():
    logits = draw(1, 3)
    a, c = (Multiclass().logits_loss_sum(logits, torch.tensor([i]), ONES(1)).item() for i in (0, 2))
    blend = Multiclass().logits_loss_sum(logits, torch.tensor([[0.25, 0.0, 0.75]]), ONES(1))
    assert blend.item() == pytest.approx(0.25 * a + 0.75 * c)


def test_a_blend_of_labels_has_the_blend_of_their_losses():
    logits = draw(1, 2)
    losses_of = {t: Multilabel().logits_loss_sum(logits, torch.tensor([[t, -1.0]]), ONES(1)).item() for t in (0, 1)}
    blend = Multilabel().logits_loss_sum(logits, torch.tensor([[0.3, -1.0]]), ONES(1))
    assert blend.item() == pytest.approx(0.7 * losses_of[0] + 0.3 * losses_of[1])


def test_class_weights_are_torchs_and_leave_the_count_of_images():
    logits, targets = draw(5, 3), torch.tensor([0, 1, 2, 2, 0])
    task = Multiclass(class_weights=WEIGHTS)
    expected = F.cross_entropy(logits, targets, weight=torch.tensor(WEIGHTS), reduction="sum")
    assert task.loss_sum(outputs(logits), targets, ONES(5)).item() == pytest.approx(expected.item(), rel=1e-6)
    assert task.count(targets, ONES(5)) == 5


@pytest.mark.parametrize("kind", MULTICLASS)
def test_an_image_counts_as_its_class_and_a_blend_as_the_mean_of_its_classes(kind):
    weighted, plain = MULTICLASS[kind], replace(MULTICLASS[kind], class_weights=None)
    for target, weight in (([0.0, 0.0, 1.0], 3.0), ([0.2, 0.0, 0.8], 0.2 * 0.5 + 0.8 * 3.0)):
        losses_ = [
            task.logits_loss_sum(draw(1, 3), torch.tensor([target]), ONES(1)).item() for task in (weighted, plain)
        ]
        assert losses_[0] == pytest.approx(weight * losses_[1])


@pytest.mark.parametrize("kind", MULTILABEL)
def test_a_cell_counts_as_its_class_and_known_cells_are_counted(kind):
    weighted, plain = MULTILABEL[kind], replace(MULTILABEL[kind], class_weights=None)
    for cell, weight in enumerate(WEIGHTS):
        targets = torch.full((1, 3), -1)
        targets[0, cell] = 1
        losses_ = [task.logits_loss_sum(draw(1, 3), targets, ONES(1)).item() for task in (weighted, plain)]
        assert losses_[0] == pytest.approx(weight * losses_[1])
        assert weighted.count(targets, ONES(1)) == 1


@pytest.mark.parametrize("kind", MULTILABEL)
def test_pos_weight_multiplies_present_labels_and_not_absent_ones(kind):
    plain = replace(MULTILABEL[kind], label_smoothing=0.0, pos_weight=None)
    weighted = replace(plain, pos_weight=(2.0, 1.0, 7.0))
    for target, times in ((1, 7.0), (0, 1.0)):
        targets = torch.tensor([[-1, -1, target]])
        losses_ = [task.logits_loss_sum(draw(1, 3), targets, ONES(1)).item() for task in (weighted, plain)]
        assert losses_[0] == pytest.approx(times * losses_[1])


def test_a_heads_loss_has_no_part_of_the_other_head():
    first, second = draw(3, 4), draw(3, 4, seed=1)
    targets = torch.tensor([0, 3, 2])
    both = outputs((first + second) / 2, cls_logits=first, distillation_logits=second)
    heads = [Multiclass().logits_loss_sum(logits, targets, ONES(3)) for logits in (first, second)]
    assert heads[0].item() == pytest.approx(F.cross_entropy(first, targets, reduction="sum").item())
    assert Multiclass().loss_sum(both, targets, ONES(3)).item() == pytest.approx(((heads[0] + heads[1]) / 2).item())


# ---------------------------------------------------------------- from the recipe


def task_of(recipe, truth=None, **loss):
    return choose_task(with_overrides(recipe, loss), LabelSpace(("can", "carton", "milk")), truth)


@pytest.mark.parametrize(
    ("task", "kind", "expected"),
    [
        ("multiclass", "auto", losses.cross_entropy),
        ("multiclass", "cross_entropy", losses.cross_entropy),
        ("multiclass", "binary_cross_entropy", losses.each_class_alone),
        ("multilabel", "auto", losses.binary_cross_entropy),
        ("multilabel", "binary_cross_entropy", losses.binary_cross_entropy),
    ],
)
def test_the_recipe_chooses_the_loss(recipe, task, kind, expected):
    assert task_of(recipe("x", task=task), **{"loss.kind": kind}).loss is expected


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_higher_focal_gamma_makes_a_sure_answer_count_less(recipe, task):
    logits, targets = torch.tensor([[2.0, -2.0, -2.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    found = [
        task_of(recipe("x", task=task), **{"loss.kind": "focal", "loss.focal_gamma": gamma})
        .logits_loss_sum(logits, targets, ONES(1))
        .item()
        for gamma in (0.0, 1.0, 2.0)
    ]
    assert found[0] == pytest.approx(task_of(recipe("x", task=task)).logits_loss_sum(logits, targets, ONES(1)).item())
    assert found[0] > 5 * found[1] > 25 * found[2]


def test_gammas_and_margin_of_the_asymmetric_loss_come_from_the_recipe(recipe):
    keys = {"loss.kind": "asymmetric", "loss.asymmetric_gammas": [1.0, 2.0], "loss.asymmetric_margin": 0.1}
    logits = torch.tensor([[log(4.0)] * 3])  # probability 4/5
    loss = task_of(recipe("x", task="multilabel"), **keys).logits_loss_sum(logits, torch.tensor([[1, 0, -1]]), ONES(1))
    assert loss.item() == pytest.approx(0.2 * -log(0.8) + 0.7**2 * -log(0.3))


def test_weights_come_from_the_recipe_and_the_training_targets(recipe):
    truth = np.array([0, 0, 0, 1])
    assert task_of(recipe("x"), truth, **{"loss.class_weights": "balanced"}).class_weights == pytest.approx(
        (2 / 3, 2.0, 1.0)
    )
    cells = np.array([[1, 0, 0], [0, 0, 1], [0, 0, 1]])
    labels = task_of(recipe("x", task="multilabel"), cells, **{"loss.pos_weight": "balanced"})
    assert labels.pos_weight == (2.0, 1.0, 0.5)


def test_a_recipe_that_balances_is_not_taken_without_the_training_targets(recipe):
    with pytest.raises(ValueError, match="give choose_task their targets"):
        choose_task(with_overrides(recipe("x"), {"loss.class_weights": "balanced"}))


def test_probabilities_of_a_class_alone_are_1_under_softmax_and_sigmoid_otherwise():
    logits = np.array([[2.0], [-30.0]], dtype=np.float32)
    assert Multiclass().probabilities(logits).tolist() == [[1.0], [1.0]]
    assert Multilabel().probabilities(logits)[:, 0] == pytest.approx([0.8807970779778823, 9.357622968839299e-14])


def test_probabilities_are_torchs_in_float64():
    logits = draw(5, 7).numpy()
    wide = torch.tensor(logits, dtype=torch.float64)
    assert np.allclose(Multiclass().probabilities(logits), wide.softmax(1).numpy(), rtol=1e-14)
    assert np.allclose(Multilabel().probabilities(logits), wide.sigmoid().numpy(), rtol=1e-14)
    assert Multiclass().probabilities(logits).dtype == Multilabel().probabilities(logits).dtype == np.float64


def test_huge_logits_neither_overflow_nor_warn():
    logits = np.array([[1e4, -1e4, 0.0]], dtype=np.float32)
    assert Multiclass().probabilities(logits).tolist() == [[1.0, 0.0, 0.0]]
    assert Multilabel().probabilities(logits).tolist() == [[1.0, 0.0, 0.5]]


def test_logits_that_are_no_numbers_give_probabilities_that_are_none():
    logits = np.array([[np.nan, 0.0]])
    assert np.isnan(Multiclass().probabilities(logits)).all()
    assert np.isnan(Multilabel().probabilities(logits)).tolist() == [[True, False]]


def test_decisions_are_the_likeliest_class_or_all_labels_from_the_threshold_up():
    assert Multiclass().decisions(np.array([[0.2, 0.5, 0.3], [0.9, 0.1, 0.0]])).tolist() == [1, 0]
    labels = np.array([[0.2, 0.5, 0.3]])
    assert Multilabel().decisions(labels).tolist() == [[0, 1, 0]]
    assert Multilabel().decisions(labels, threshold=0.3).tolist() == [[0, 1, 1]]
