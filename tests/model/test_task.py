"""Losses as sums and counts, against torch and against numbers worked out by hand."""

from __future__ import annotations

from math import log
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from finetune.model import choose_task, model_logits
from finetune.model.task import Multiclass, Multilabel

ONES = torch.ones


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
        (Multiclass(0.1), torch.tensor([0, 2, 1, 0, 2, 1, 1, 0])),
        (Multilabel(0.1), torch.tensor([[1, 0, -1], [-1, -1, -1], [0, 0, 1], [1, 1, 1]] * 2)),
    ],
    ids=["multiclass", "multilabel"],
)
def test_pieces_of_a_batch_add_up_to_the_whole(task, targets):
    logits = draw(8, 3)
    whole = task.loss_sum(outputs(logits), targets, ONES(8)) / task.count(targets, ONES(8))
    pieces = [slice(0, 1), slice(1, 5), slice(5, 8)]
    total = sum(task.loss_sum(outputs(logits[p]), targets[p], ONES(len(targets[p]))) for p in pieces)
    count = sum(task.count(targets[p], ONES(len(targets[p]))) for p in pieces)
    assert (total / count).item() == pytest.approx(whole.item(), rel=1e-6)


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


@pytest.mark.parametrize("task", [Multiclass(), Multilabel()], ids=lambda task: task.name)
def test_the_loss_of_bf16_logits_is_computed_in_float32(task):
    logits = draw(64, 4).bfloat16()
    targets = torch.zeros(64, dtype=torch.long) if task.name == "multiclass" else torch.zeros(64, 4)
    loss = task.loss_sum(outputs(logits), targets, ONES(64))
    assert loss.dtype == torch.float32
    assert torch.equal(loss, task.loss_sum(outputs(logits.float()), targets, ONES(64)))


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
