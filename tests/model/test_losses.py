"""Each loss against torch, or against numbers worked out by hand."""

from __future__ import annotations

from functools import partial
from math import log

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from finetune.model import losses

MULTICLASS = {
    "cross_entropy": losses.cross_entropy,
    "each_class_alone": losses.each_class_alone,
    "focal_2": partial(losses.focal, gamma=2.0),
    "focal_0.5": partial(losses.focal, gamma=0.5),
}
MULTILABEL = {
    "binary_cross_entropy": losses.binary_cross_entropy,
    "focal_2": partial(losses.binary_focal, gamma=2.0),
    "focal_0.5": partial(losses.binary_focal, gamma=0.5),
    "asymmetric": partial(losses.asymmetric, gammas=(0.0, 4.0), margin=0.05),
    "asymmetric_0.5": partial(losses.asymmetric, gammas=(0.5, 0.5), margin=0.05),
    "asymmetric_without_margin": partial(losses.asymmetric, gammas=(1.0, 0.5), margin=0.0),
}
FOUR_FIFTHS = torch.tensor([[log(4.0)]])  # the logit of probability 4/5
YES, NO = torch.tensor([[1.0]]), torch.tensor([[0.0]])


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------- one label an image


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_takes_blends_as_torch_does(smoothing):
    logits, shares = draw(6, 4), draw(6, 4, seed=1).softmax(dim=1)
    expected = F.cross_entropy(logits, shares, reduction="none", label_smoothing=smoothing)
    assert torch.allclose(losses.cross_entropy(logits, shares, smoothing), expected)


def test_focal_of_a_sure_answer_by_hand():
    logits = torch.tensor([[log(4.0), 0.0]])  # probabilities 4/5 and 1/5
    right, wrong = (losses.focal(logits, torch.tensor([target]), 0.0, gamma=2.0) for target in ([1.0, 0.0], [0.0, 1.0]))
    assert right.item() == pytest.approx(0.2**2 * -log(0.8))
    assert wrong.item() == pytest.approx(0.8**2 * -log(0.2))


def test_focal_of_a_blend_is_the_blend_of_both():
    logits, ends = draw(1, 3), torch.eye(3)
    apart = [losses.focal(logits, ends[i : i + 1], 0.0, gamma=2.0) for i in (0, 2)]
    together = losses.focal(logits, torch.tensor([[0.3, 0.0, 0.7]]), 0.0, gamma=2.0)
    assert together.item() == pytest.approx(0.3 * apart[0].item() + 0.7 * apart[1].item())


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_focal_without_gamma_is_cross_entropy(smoothing):
    logits, shares = draw(6, 4), draw(6, 4, seed=1).softmax(dim=1)
    expected = losses.cross_entropy(logits, shares, smoothing)
    assert torch.allclose(losses.focal(logits, shares, smoothing, gamma=0.0), expected)


def test_each_class_alone_is_torchs_binary_cross_entropy_averaged_over_the_classes():
    logits, hot = draw(6, 4), torch.eye(4)[[0, 1, 2, 3, 0, 1]]
    expected = F.binary_cross_entropy_with_logits(logits, hot, reduction="none").mean(dim=1)
    assert torch.allclose(losses.each_class_alone(logits, hot, 0.0), expected)


def test_each_class_alone_takes_every_class_of_a_blend_for_present():
    logits = draw(1, 3)
    blend, both = torch.tensor([[0.9, 0.1, 0.0]]), torch.tensor([[1.0, 1.0, 0.0]])
    assert torch.equal(losses.each_class_alone(logits, blend, 0.0), losses.each_class_alone(logits, both, 0.0))


def test_each_class_alone_smooths_over_the_classes():
    logits, smoothed = draw(1, 4), torch.tensor([[0.925, 0.025, 0.025, 0.025]])
    expected = F.binary_cross_entropy_with_logits(logits, smoothed)
    assert losses.each_class_alone(logits, torch.eye(4)[:1], 0.1).item() == pytest.approx(expected.item())


# ---------------------------------------------------------------- any number of labels an image


def test_binary_cross_entropy_is_torchs_with_its_pos_weight():
    logits, present = draw(6, 4), (draw(6, 4, seed=1) > 0).float()
    pos_weight = torch.tensor([1.0, 2.0, 0.5, 7.0])
    wide = logits.double(), present.double()  # in float32, torch's own is off by 2e-5
    expected = F.binary_cross_entropy_with_logits(*wide, pos_weight=pos_weight.double(), reduction="none")
    found = losses.binary_cross_entropy(logits, present * pos_weight, 1 - present)
    assert torch.allclose(found.double(), expected, rtol=1e-6)


def test_binary_focal_by_hand():
    assert losses.binary_focal(FOUR_FIFTHS, YES, NO, gamma=2.0).item() == pytest.approx(0.2**2 * -log(0.8))
    assert losses.binary_focal(FOUR_FIFTHS, NO, YES, gamma=2.0).item() == pytest.approx(0.8**2 * -log(0.2))


def test_asymmetric_by_hand():
    present = losses.asymmetric(FOUR_FIFTHS, YES, NO, (1.0, 4.0), margin=0.1)
    absent = losses.asymmetric(FOUR_FIFTHS, NO, YES, (1.0, 4.0), margin=0.1)
    assert present.item() == pytest.approx(0.2 * -log(0.8))
    assert absent.item() == pytest.approx(0.7**4 * -log(0.3))  # q = 0.8 - 0.1


def test_asymmetric_counts_nothing_below_its_margin():
    logits = torch.tensor([[-3.0, -30.0]], requires_grad=True)  # probabilities below 0.05
    loss = losses.asymmetric(logits, torch.zeros(1, 2), torch.ones(1, 2), (0.0, 4.0), margin=0.05).sum()
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert logits.grad.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("kind", ["focal", "asymmetric"])
def test_without_focus_and_margin_it_is_binary_cross_entropy(kind):
    logits, present = draw(6, 4), (draw(6, 4, seed=1) > 0).float()
    plain = losses.binary_cross_entropy(logits, present, 1 - present)
    found = {
        "focal": losses.binary_focal(logits, present, 1 - present, gamma=0.0),
        "asymmetric": losses.asymmetric(logits, present, 1 - present, (0.0, 0.0), margin=0.0),
    }
    assert torch.allclose(found[kind], plain, atol=1e-6)


# ---------------------------------------------------------------- of all


def extreme_gradient(loss) -> torch.Tensor:
    logits = torch.tensor([[-1e4, 0.0, 1e4], [1e4, -200.0, 17.5], [88.0, 88.0, -104.0]], requires_grad=True)
    found = loss(logits)
    found.sum().backward()
    assert torch.isfinite(found).all()
    assert logits.grad is not None
    return logits.grad


@pytest.mark.parametrize("kind", MULTICLASS)
@pytest.mark.parametrize("target", [0, 1, 2])
def test_a_multiclass_loss_of_huge_logits_is_finite_and_so_is_its_gradient(kind, target):
    shares = torch.eye(3)[[target] * 3]
    assert torch.isfinite(extreme_gradient(lambda logits: MULTICLASS[kind](logits, shares, 0.1))).all()


@pytest.mark.parametrize("kind", MULTILABEL)
@pytest.mark.parametrize("present", [0.0, 0.5, 1.0])
def test_a_multilabel_loss_of_huge_logits_is_finite_and_so_is_its_gradient(kind, present):
    yes, no = torch.full((3, 3), present), torch.full((3, 3), 1.0 - present)
    assert torch.isfinite(extreme_gradient(lambda logits: MULTILABEL[kind](logits, yes, no))).all()


@pytest.mark.parametrize("kind", MULTILABEL)
def test_the_gradient_of_a_multilabel_loss_is_that_of_its_formula(kind):
    logits = draw(2, 3).double().requires_grad_()
    present = torch.tensor([[1.0, 0.0, 0.3], [0.0, 1.0, 1.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: MULTILABEL[kind](x, present, 1 - present), logits)


@pytest.mark.parametrize("kind", MULTICLASS)
def test_the_gradient_of_a_multiclass_loss_is_that_of_its_formula(kind):
    logits = draw(2, 3).double().requires_grad_()
    shares = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.4, 0.6]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: MULTICLASS[kind](x, shares, 0.1), logits)


@pytest.mark.parametrize("kind", ["cross_entropy", "focal_2", "focal_0.5"])
def test_a_class_alone_leaves_a_softmax_nothing_to_learn(kind):
    logits = torch.tensor([[-3.0], [40.0]], requires_grad=True)
    loss = MULTICLASS[kind](logits, torch.ones(2, 1), 0.1).sum()
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert logits.grad.tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize("kind", MULTILABEL)
def test_a_class_alone_is_learnt_as_yes_or_no(kind):
    loss = MULTILABEL[kind](FOUR_FIFTHS, NO, YES)
    assert loss.shape == (1, 1)
    assert loss.item() > 0
