"""What learns, and what weight decay leaves alone."""

from __future__ import annotations

import pytest
import torch

from finetune.errors import CheckpointError
from finetune.model import no_decay_parameter_names, set_trainable
from finetune.model.idle import idle_parameter_names
from finetune.model.task import Multiclass
from finetune.recipe.sections import Model


def learning(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_weight_decay_spares_biases_norms_tokens_and_positions_and_nothing_else(build):
    model = build("distilled")
    spared = no_decay_parameter_names(model)
    decayed = {name for name, _ in model.named_parameters()} - spared
    assert {"cls_token", "distillation_token", "position_embeddings"} <= {name.split(".")[-1] for name in spared}
    assert all(name.endswith(".weight") and "norm" not in name for name in decayed)
    assert {"cls_classifier.weight", "deit.embeddings.patch_embeddings.projection.weight"} <= decayed
    assert len(decayed) == 2 + 1 + 2 * 6  # heads, patches, and per layer q, k, v, o, fc1, fc2


def test_weight_decay_spares_relative_positions_too(build):
    assert any("relative_position_bias_table" in name for name in no_decay_parameter_names(build("swin")))


@pytest.mark.parametrize(
    ("family", "head"),
    [
        ("vit", {"classifier.weight", "classifier.bias"}),
        (
            "distilled",
            {f"{kind}_classifier.{part}" for kind in ("cls", "distillation") for part in ("weight", "bias")},
        ),
    ],
)
def test_the_head_alone_learns_or_everything_does(build, family, head):
    model = build(family)
    set_trainable(model, Model(train="head"))
    assert learning(model) == head
    set_trainable(model, Model())
    assert learning(model) == {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize("family", ["vit", "distilled", "swin", "convnext", "resnet", "dinov2"])
def test_everything_that_learns_gets_a_gradient(build, family):
    model = build(family)
    set_trainable(model, Model())
    outputs = model(pixel_values=torch.randn(2, 3, 32, 32))
    Multiclass().loss_sum(outputs, torch.tensor([0, 1]), torch.ones(2)).backward()
    assert learning(model) == {name for name, parameter in model.named_parameters() if parameter.grad is not None}


def test_a_mask_token_that_no_logit_depends_on_does_not_learn(build):
    model = build("dinov2")
    assert idle_parameter_names(model) == {"dinov2.embeddings.mask_token"}
    set_trainable(model, Model())
    assert "dinov2.embeddings.mask_token" not in learning(model)


@pytest.mark.parametrize(("family", "blocks"), [("vit", "vit.layers"), ("distilled", "deit.layers")])
def test_the_last_blocks_learn_with_what_follows_them(build, family, blocks):
    model = build(family, num_hidden_layers=3)
    set_trainable(model, Model(train="last_n_blocks", train_blocks=2))
    frozen = {name for name, _ in model.named_parameters()} - learning(model)
    prefix = blocks.partition(".")[0]
    assert frozen == {
        name for name, _ in model.named_parameters() if name.startswith((f"{blocks}.0.", f"{prefix}.embeddings."))
    }


def test_more_blocks_than_there_are_is_refused_with_their_number(build):
    with pytest.raises(CheckpointError, match=r"train_blocks: found 3, but ViTForImageClassification has 2 blocks"):
        set_trainable(build("vit"), Model(train="last_n_blocks", train_blocks=3))
