"""Attention rollout: where a model looked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from finetune.model import open_saved
from finetune.predict.attention import attention_rollout, looks
from finetune.predict.pictures import lit


@pytest.fixture
def images():
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_it_is_the_product_of_the_blocks_with_half_an_identity_each(tiny_vit, images):
    model = open_saved(tiny_vit, attention="eager").model
    with torch.inference_mode():
        attentions = model(pixel_values=images, output_attentions=True).attentions
    expected = torch.eye(17)
    for block in attentions:
        expected = (0.5 * block.mean(1) + 0.5 * torch.eye(17)) @ expected
    patches = expected[:, 0, 1:] / expected[:, 0, 1:].sum(1, keepdim=True)
    found = attention_rollout(open_saved(tiny_vit).model, images)
    assert found.keys() == {"class token"}
    np.testing.assert_allclose(found["class token"].reshape(2, 16), patches.numpy(), rtol=1e-5)


def test_a_distilled_deit_looks_with_both_tokens(tiny_distilled, images):
    model = open_saved(tiny_distilled).model
    with torch.no_grad():
        generator = torch.Generator().manual_seed(0)
        model.deit.embeddings.distillation_token.normal_(generator=generator)  # both begin as 0
        model.deit.layers[0].attention.q_proj.weight.mul_(50)
        model.deit.layers[0].attention.k_proj.weight.mul_(50)
    found = attention_rollout(model, images)
    assert found.keys() == {"class token", "distillation token"}
    for shares in found.values():
        assert shares.shape == (2, 4, 4)
        np.testing.assert_allclose(shares.sum(axis=(1, 2)), 1, rtol=1e-5)
    assert not np.allclose(found["class token"], found["distillation token"])


def test_a_token_that_attends_to_one_patch_is_seen_to(tiny_vit, images):
    """Keys of one patch are made to answer every query."""
    model = open_saved(tiny_vit).model
    with torch.no_grad():
        for layer in model.vit.layers:
            layer.attention.q_proj.weight.zero_()
            layer.attention.q_proj.bias.fill_(1.0)
        model.vit.embeddings.position_embeddings[0, 1 + 6] = 0.0
        model.vit.embeddings.position_embeddings[0, 1 + 6, :16] = 50.0
        first = model.vit.layers[0]
        first.layernorm_before.weight.fill_(1.0)
        first.attention.k_proj.weight.copy_(torch.eye(32) * 3)
        first.attention.k_proj.bias.zero_()
        first.attention.q_proj.bias[16:] = 0.0
    shares = attention_rollout(model, images)["class token"]
    assert shares.reshape(2, 16).argmax(1).tolist() == [6, 6]


def test_the_way_attention_is_computed_is_put_back(tiny_vit, images):
    model = open_saved(tiny_vit).model
    before = model(pixel_values=images).logits
    attention_rollout(model, images)
    assert model.config._attn_implementation == "sdpa"
    assert torch.equal(model(pixel_values=images).logits, before)


def test_an_architecture_without_tokens_has_none():
    from transformers import ResNetConfig, ResNetForImageClassification

    assert not looks(ResNetForImageClassification(ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1])))


def test_a_picture_is_bright_where_the_model_looked():
    picture = Image.new("RGB", (32, 32), (200, 100, 40))
    shares = np.zeros((4, 4))
    shares[0, 0] = 1.0
    found = np.asarray(lit(picture, shares))
    assert found[0, 0].tolist() == [200, 100, 40]
    assert found[-1, -1].tolist() == [50, 25, 10]
