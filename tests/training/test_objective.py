"""The loss that also learns from a teacher, against numbers worked out by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from finetune.errors import RecipeError
from finetune.model import open_saved
from finetune.model.task import Multiclass, Multilabel
from finetune.training.objective import LearnFromTeacher, LearnLabels, check_heads_learn

LN3 = math.log(3)
# Probabilities 3/4 and 1/4 of the teacher against 1/2 and 1/2 of the student.
DIVERGENCE = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)


def teach(task: Any, teacher: torch.Tensor, kind: str = "soft", temperature: float = 1.0, weight: float = 1.0) -> Any:
    """An objective whose teacher always says the same."""
    return LearnFromTeacher(task, lambda batch: teacher, kind, temperature, weight)


def plain(logits: torch.Tensor) -> Any:
    return SimpleNamespace(logits=logits)


def batch_of(targets: torch.Tensor, weights: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    return {"targets": targets, "weights": torch.ones(len(targets)) if weights is None else weights}


@pytest.fixture(params=["multiclass", "multilabel"])
def case(request):
    """A task with a batch of four images and three classes, logits of a student and of a teacher."""
    torch.manual_seed(0)
    student, teacher = torch.randn(4, 3), 2 * torch.randn(4, 3)
    if request.param == "multiclass":
        return Multiclass(), batch_of(torch.tensor([0, 2, 1, 1])), student, teacher
    targets = torch.tensor([[1, 0, -1], [0, 0, 1], [-1, -1, 1], [1, 1, 0]])
    return Multilabel(), batch_of(targets), student, teacher


# ---------------------------------------------------------------- formulas


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_soft_multiclass_is_the_divergence_of_softened_probabilities_times_the_square_of_the_temperature(temperature):
    objective = teach(Multiclass(), torch.tensor([[temperature * LN3, 0.0]]), temperature=temperature)
    loss = objective(plain(torch.zeros(1, 2)), batch_of(torch.tensor([0])))
    assert float(loss) == pytest.approx(temperature**2 * DIVERGENCE, rel=1e-6)


def test_soft_multiclass_is_torchs_divergence_summed_over_images():
    torch.manual_seed(1)
    student, teacher = torch.randn(5, 4), torch.randn(5, 4)
    expected = 9 * F.kl_div((student / 3).log_softmax(-1), (teacher / 3).softmax(-1), reduction="sum")
    loss = teach(Multiclass(), teacher, temperature=3.0)(plain(student), batch_of(torch.zeros(5, dtype=torch.long)))
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_hard_multiclass_is_the_cross_entropy_with_the_teachers_class():
    objective = teach(Multiclass(label_smoothing=0.1), torch.tensor([[-1.0, 4.0]]), kind="hard", temperature=7.0)
    loss = objective(plain(torch.tensor([[LN3, 0.0]])), batch_of(torch.tensor([0])))
    assert float(loss) == pytest.approx(-math.log(0.25), rel=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_soft_multilabel_is_the_divergence_of_each_labels_own_probability(temperature):
    objective = teach(Multilabel(), torch.tensor([[temperature * LN3, -temperature * LN3]]), temperature=temperature)
    loss = objective(plain(torch.zeros(1, 2)), batch_of(torch.tensor([[1, 0]])))
    assert float(loss) == pytest.approx(2 * temperature**2 * DIVERGENCE, rel=1e-6)


def test_hard_multilabel_takes_a_label_from_a_probability_of_one_half():
    objective = teach(Multilabel(), torch.tensor([[0.0, -0.01]]), kind="hard")
    loss = objective(plain(torch.tensor([[LN3, LN3]])), batch_of(torch.tensor([[0, 0]])))
    assert float(loss) == pytest.approx(-math.log(0.75) - math.log(0.25), rel=1e-6)


def test_a_student_that_says_what_the_teacher_says_has_a_soft_loss_of_zero(case):
    task, batch, student, _ = case
    assert float(teach(task, student, temperature=3.0)(plain(student), batch)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_the_weight_divides_one_head_between_labels_and_teacher(case, kind):
    task, batch, student, teacher = case
    labels, alone = LearnLabels(task)(plain(student), batch), teach(task, teacher, kind)(plain(student), batch)
    both = teach(task, teacher, kind, weight=0.3)(plain(student), batch)
    assert float(both) == pytest.approx(0.7 * float(labels) + 0.3 * float(alone), rel=1e-6)


# ---------------------------------------------------------------- two heads


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_a_distilled_student_learns_labels_on_one_token_and_the_teacher_on_the_other(case, kind):
    task, batch, student, teacher = case
    heads = [student.clone().requires_grad_(), student.flip(0).clone().requires_grad_()]
    outputs = SimpleNamespace(logits=sum(heads) / 2, cls_logits=heads[0], distillation_logits=heads[1])
    teach(task, teacher, kind, weight=0.25)(outputs, batch).backward()
    alone = [head.detach().clone().requires_grad_() for head in heads]
    (0.75 * LearnLabels(task)(plain(alone[0]), batch)).backward()
    (0.25 * teach(task, teacher, kind)(plain(alone[1]), batch)).backward()
    for head, expected in zip(heads, alone, strict=True):
        torch.testing.assert_close(head.grad, expected.grad)


def test_all_the_weight_on_the_teacher_is_refused_where_a_head_would_learn_nothing(tiny_distilled, tiny_vit):
    with pytest.raises(RecipeError, match=r"distill\.weight: found 1\.0, but then cls_classifier, .*; write 0\.5, or"):
        check_heads_learn(open_saved(tiny_distilled).model, 1.0)
    check_heads_learn(open_saved(tiny_distilled).model, 0.9)
    check_heads_learn(open_saved(tiny_vit).model, 1.0)


# ---------------------------------------------------------------- what counts


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_padding_and_unknown_labels_teach_nothing(case, kind):
    task, batch, student, teacher = case
    weights = torch.tensor([1.0, 1.0, 1.0, 0.0])
    logits = student.clone().requires_grad_()
    teach(task, teacher, kind)(plain(logits), {**batch, "weights": weights}).backward()
    assert float(logits.grad[3].abs().max()) == 0.0
    if task.name == "multilabel":
        assert torch.equal(logits.grad[:3] == 0, batch["targets"][:3] == -1)


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_mixed_labels_do_not_change_the_teachers_part(kind):
    torch.manual_seed(2)
    student, teacher, ids = torch.randn(3, 4), torch.randn(3, 4), torch.tensor([0, 1, 3])
    mixed = 0.6 * F.one_hot(ids, 4) + 0.4 * F.one_hot(ids.flip(0), 4)
    weights = torch.tensor([1.0, 1.0, 0.0])
    objective = teach(Multiclass(), teacher, kind)
    found = objective._teacher_loss_sum(student, batch_of(mixed, weights))
    assert float(found) == float(objective._teacher_loss_sum(student, batch_of(ids, weights))) > 0


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_the_pieces_of_a_batch_add_up_to_the_whole(case, kind):
    task, batch, student, teacher = case
    whole = teach(task, teacher, kind, 2.0, 0.4)(plain(student), batch)
    pieces = [
        teach(task, teacher[part], kind, 2.0, 0.4)(plain(student[part]), {k: v[part] for k, v in batch.items()})
        for part in (slice(0, 1), slice(1, 4))
    ]
    assert float(sum(pieces)) == pytest.approx(float(whole), rel=1e-6)
