"""The row of blocks, and where every parameter stands."""

from __future__ import annotations

import pytest
import torch

from finetune.errors import CheckpointError
from finetune.model.blocks import ordered_parts


@pytest.mark.parametrize(
    ("family", "blocks"),
    [
        ("vit", 2),
        ("deit", 2),
        ("distilled", 2),
        ("beit", 2),
        ("dinov2", 2),
        ("swin", 2),
        ("convnext", 4),
        ("resnet", 2),
    ],
)
def test_blocks_are_found_in_the_order_of_the_forward_pass(build, family, blocks):
    model, called = build(family), []
    parts = ordered_parts(model, "the test")
    for block in parts.blocks:
        block.register_forward_hook(lambda module, inputs, output: called.append(module))
    model(pixel_values=torch.zeros(1, 3, 32, 32))
    assert len(parts.blocks) == blocks
    assert called == list(parts.blocks)


def test_embeddings_lie_below_the_blocks_and_norm_and_heads_above(build):
    parts = ordered_parts(build("distilled"), "the test")
    at = {depth: {name for name, own in parts.depths.items() if own == depth} for depth in range(4)}
    assert parts.top == 3
    assert all(name.startswith("deit.embeddings.") for name in at[0])
    assert all(name.startswith("deit.layers.0.") for name in at[1])
    assert all(name.startswith("deit.layers.1.") for name in at[2])
    assert {name.rpartition(".")[0] for name in at[3]} == {
        "deit.layernorm", "cls_classifier", "distillation_classifier"
    }  # fmt: skip


def test_an_architecture_without_a_single_row_is_refused_with_the_key_that_needs_it(build):
    with pytest.raises(CheckpointError, match=r"optim\.layer_decay: PvtForImageClassification has no single row"):
        ordered_parts(build("pvt"), "optim.layer_decay")
