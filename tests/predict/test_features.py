"""Features: what goes into the heads, and what the heads make of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from finetune.errors import CheckpointError
from finetune.model import open_saved
from finetune.predict import encode, logits_of, score


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_heads_turn_features_into_the_models_logits(loaded, images, precision):
    how = {"batch_size": 4, "device": "cpu", "precision": precision}
    features = encode(loaded.model, images, loaded.pixels, **how)
    assert {name: array.shape for name, array in features.items()} == {"classifier": (11, 32)}
    expected = score(loaded.model, images, loaded.pixels, **how)
    np.testing.assert_allclose(logits_of(loaded.model, features, **how), expected, rtol=1e-5, atol=1e-5)


def test_features_are_the_class_token_after_the_last_norm(loaded, images):
    features = encode(loaded.model, images[:1], loaded.pixels, batch_size=1, device="cpu")
    pixels = loaded.pixels.normalise(torch.from_numpy(loaded.pixels.to_uint8(images[0])[None]))
    with torch.inference_mode():
        tokens = loaded.model.vit(pixel_values=pixels).last_hidden_state
    np.testing.assert_allclose(features["classifier"], tokens[:, 0], rtol=1e-5, atol=1e-5)


def test_a_distilled_model_has_features_for_both_tokens_and_its_logits_are_the_mean(tiny_distilled, images):
    model = open_saved(tiny_distilled)
    torch.nn.init.normal_(model.model.deit.embeddings.distillation_token)  # drawn as zeros, like the class token
    how = {"batch_size": 8, "device": "cpu"}
    features = encode(model.model, images, model.pixels, **how)
    assert list(features) == ["cls_classifier", "distillation_classifier"]
    assert not np.allclose(*features.values())
    expected = score(model.model, images, model.pixels, **how)
    np.testing.assert_allclose(logits_of(model.model, features, **how), expected, rtol=1e-5, atol=1e-5)


def test_nothing_stays_on_the_model(loaded, images):
    encode(loaded.model, images, loaded.pixels, batch_size=4, device="cpu")
    assert not loaded.model.classifier._forward_pre_hooks


def test_a_model_that_does_something_else_with_its_heads_is_refused(loaded, images, monkeypatch):
    forward = loaded.model.forward

    def sharpened(**inputs):
        outputs = forward(**inputs)
        outputs.logits = 10 * outputs.logits
        return outputs

    monkeypatch.setattr(type(loaded.model), "forward", lambda self, **inputs: sharpened(**inputs))
    with pytest.raises(CheckpointError, match="its logits are not what classifier make of their input"):
        encode(loaded.model, images, loaded.pixels, batch_size=4, device="cpu")
