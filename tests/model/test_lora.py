"""Adapters: what they touch, what learns, and that merging gives an ordinary model again."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from finetune.errors import CheckpointError, RecipeError
from finetune.model.lora import (
    add_adapters,
    check_peft,
    describe_adapters,
    has_adapters,
    load_adapters,
    merge_adapters,
)
from finetune.recipe.sections import Lora, Model

HEADS = {"vit": {"classifier"}, "distilled": {"cls_classifier", "distillation_classifier"}}


def learning(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def disturb(adapted):
    """Whatever learns is moved, as training would."""
    torch.manual_seed(7)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))


@pytest.mark.parametrize("family", ["vit", "distilled"])
def test_adapters_and_heads_learn_and_nothing_else(build, family):
    adapted = add_adapters(build(family), Lora(rank=4), seed=0)
    names = learning(adapted)
    heads = {name.partition(".modules_to_save")[0].rpartition(".")[2] for name in names if "modules_to_save" in name}
    factors = {name for name in names if "lora_" in name}
    assert heads == HEADS[family]
    assert len(factors) == 2 * 2 * 2  # two factors for q and v of two blocks
    assert len(names) == len(factors) + 2 * len(HEADS[family])
    assert {min(dict(adapted.named_parameters())[name].shape) for name in factors} == {4}


def test_nothing_changes_at_first(build):
    pixels = torch.randn(2, 3, 32, 32)
    before = build("vit")(pixel_values=pixels).logits
    assert torch.equal(add_adapters(build("vit"), Lora(), seed=0).eval()(pixel_values=pixels).logits, before)


@pytest.mark.parametrize("family", ["vit", "distilled"])
@pytest.mark.parametrize("targets", [["q_proj", "v_proj"], ["all-linear"]])
def test_merged_it_is_the_same_architecture_with_the_same_answers(build, family, targets):
    pixels = torch.randn(2, 3, 32, 32)
    adapted = add_adapters(build(family), Lora(targets=targets), seed=0)
    disturb(adapted)
    expected = adapted.eval()(pixel_values=pixels).logits
    merged = merge_adapters(adapted)
    assert set(merged.state_dict()) == set(build(family).state_dict())
    assert not has_adapters(merged)
    assert torch.allclose(merged(pixel_values=pixels).logits, expected, atol=1e-5)


def test_all_linear_stands_alone(build):
    with pytest.raises(CheckpointError, match=r"model\.lora\.targets: found .*'q_proj'.*write \[all-linear\] alone"):
        add_adapters(build("vit"), Lora(targets=["all-linear", "q_proj"]), seed=0)


def test_a_larger_alpha_moves_the_answers_further(build):
    pixels = torch.randn(2, 3, 32, 32)
    before = build("vit")(pixel_values=pixels).logits
    moved = []
    for alpha in (1.0, 16.0):
        adapted = add_adapters(build("vit"), Lora(alpha=alpha), seed=0)
        torch.manual_seed(7)
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        moved.append((adapted.eval()(pixel_values=pixels).logits - before).norm().item())
    assert moved[1] > 4 * moved[0]


def test_the_seed_draws_the_adapters_and_torchs_own_state_is_left_alone(build):
    torch.manual_seed(1)
    expected = torch.rand(1)
    drawn = []
    for seed in (3, 3, 4):
        model = build("vit")
        torch.manual_seed(1)
        parameters = add_adapters(model, Lora(), seed=seed).named_parameters()
        assert torch.equal(torch.rand(1), expected)
        drawn.append(torch.cat([parameter.flatten() for name, parameter in parameters if "lora_A" in name]))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("family", ["vit", "distilled"])
def test_a_checkpoint_of_adapters_comes_back_to_the_last_bit(build, family, tmp_path):
    adapted = add_adapters(build(family), Lora(), seed=0)
    disturb(adapted)
    adapted.save_pretrained(tmp_path)
    other = add_adapters(build(family), Lora(), seed=1)
    load_adapters(other, tmp_path)
    expected = dict(adapted.named_parameters())
    assert all(torch.equal(parameter, expected[name]) for name, parameter in other.named_parameters())


def test_a_checkpoint_of_other_adapters_is_refused(build, tmp_path):
    add_adapters(build("vit"), Lora(), seed=0).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"k_proj\.lora_A\.weight is not in both it and the model"):
        load_adapters(add_adapters(build("vit"), Lora(targets=["q_proj", "k_proj", "v_proj"]), seed=0), tmp_path)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("query", r"'query' is none of the linear layers of ViTForImageClassification, which end in "
                  r"fc1, fc2, k_proj, o_proj, q_proj, v_proj$"),
        ("q_pro", r"v_proj; did you mean 'q_proj'\?$"),
        ("classifier", r"model\.lora\.targets: 'classifier' is none of"),
    ],
)  # fmt: skip
def test_a_target_that_does_not_exist_is_refused_with_those_there_are(build, target, words):
    with pytest.raises(CheckpointError, match=words):
        add_adapters(build("vit"), Lora(targets=["v_proj", target]), seed=0)


def test_the_record_says_rank_scale_and_layers(build):
    found = describe_adapters(add_adapters(build("vit"), Lora(rank=2, targets=["layers.1.mlp.fc1"]), seed=0))
    assert found == {"lora": {"rank": 2, "alpha": 16.0, "dropout": 0.0, "layers": ["vit.layers.1.mlp.fc1"]}}
    assert describe_adapters(build("vit")) == {}


def test_without_peft_the_recipe_is_refused_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"model\.train: found lora, .* pip install 'deit-finetune\[lora\]'"):
        check_peft(Model(train="lora"))
    check_peft(Model())


def test_a_model_without_linear_layers_is_refused_with_what_to_do_instead(build):
    with pytest.raises(CheckpointError, match=r"model\.train: lora: ResNet.* has no linear layer besides its head"):
        add_adapters(build("resnet"), Lora(targets=["all-linear"]), seed=0)
