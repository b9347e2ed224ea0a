"""Stochastic depth."""

from __future__ import annotations

import pytest
import torch

from finetune.errors import CheckpointError
from finetune.model.drop_path import DropBranch, drop_branches
from finetune.model.trainable import ready_to_learn


def rates(model):
    """By branch, in the order of the blocks."""
    found = {"attention": [], "mlp": []}
    for name, module in model.named_modules():
        hooks = [hook for hook in module._forward_hooks.values() if isinstance(hook, DropBranch)]
        if hooks:
            found[name.rpartition(".")[2]].append(hooks[0].rate)
    return found


@pytest.mark.parametrize("family", ["vit", "deit", "distilled"])
def test_the_rate_rises_evenly_from_zero_to_the_last_block(build, family):
    model = build(family, num_hidden_layers=3)
    drop_branches(model, 0.4)
    assert rates(model) == {"attention": [0.0, 0.2, 0.4], "mlp": [0.0, 0.2, 0.4]}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"train": "last_n_blocks", "train_blocks": 1}, [0.4]),
        ({"train": "last_n_blocks", "train_blocks": 2}, [0.2, 0.4]),
        ({"train": "lora"}, [0.0, 0.2, 0.4]),  # adapters learn in every block
    ],
)
def test_blocks_that_stay_frozen_keep_their_branches(checkpoint, recipe, load, choice, expected):
    if choice["train"] == "lora":
        pytest.importorskip("peft")
    folder, choice = checkpoint("vit", num_hidden_layers=3), {**choice, "drop_path": 0.4}
    ready = ready_to_learn(load(folder, **choice), recipe(folder, **choice))
    assert rates(ready.model) == {"attention": expected, "mlp": expected}


def test_a_branch_is_dropped_for_whole_images_and_keeps_its_expectation():
    torch.manual_seed(0)
    module = torch.nn.Identity().train()
    out = DropBranch(0.25)(module, (), torch.ones(4000, 3, 2))
    values = out.flatten(1)
    assert (values == values[:, :1]).all()
    assert sorted(set(values[:, 0].tolist())) == pytest.approx([0.0, 4 / 3])
    assert values.mean().item() == pytest.approx(1.0, abs=0.03)


def test_evaluation_and_the_saved_model_do_not_know_of_it(build):
    model, pixels = build("vit"), torch.randn(2, 3, 32, 32)
    before, names, config = model(pixel_values=pixels).logits, set(model.state_dict()), model.config.to_dict()
    drop_branches(model, 0.9)
    assert torch.equal(model(pixel_values=pixels).logits, before)
    assert (set(model.state_dict()), model.config.to_dict()) == (names, config)


def test_a_dropped_block_passes_an_image_on_unchanged(build):
    model = build("vit")
    drop_branches(model, 1 - 1e-9)  # as good as always
    last = model.vit.layers[1].train()
    tokens = torch.randn(2, 17, 32)
    assert torch.equal(last(tokens), tokens)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_backward_pass_sees_the_same_draw_when_activations_are_recomputed(build, checkpointing):
    model = build("vit")
    drop_branches(model, 0.5)
    if checkpointing:
        model.activation_checkpointing_enable()
    model.train()
    torch.manual_seed(3)
    pixels = torch.randn(8, 3, 32, 32)
    model(pixel_values=pixels).logits.square().sum().backward()
    plain = build("vit")
    drop_branches(plain, 0.5)
    plain.train()
    torch.manual_seed(3)
    plain(pixel_values=torch.randn(8, 3, 32, 32)).logits.square().sum().backward()
    expected = dict(plain.named_parameters())
    assert all(torch.equal(parameter.grad, expected[name].grad) for name, parameter in model.named_parameters())


@pytest.mark.parametrize("family", ["beit", "swin", "dinov2", "convnext"])
def test_an_architecture_with_its_own_stochastic_depth_is_refused_with_the_way_to_set_it(build, family):
    with pytest.raises(
        CheckpointError, match=r"model\.drop_path: .* has stochastic depth of its own; .*drop_path_rate"
    ):
        drop_branches(build(family), 0.1)


def test_blocks_of_another_build_are_refused(build):
    with pytest.raises(CheckpointError, match=r"model\.drop_path: the blocks of ResNetForImageClassification are of"):
        drop_branches(build("resnet"), 0.1)


def test_without_a_rate_nothing_is_changed(build):
    model = build("resnet")
    drop_branches(model, 0.0)
    assert rates(model) == {"attention": [], "mlp": []}
