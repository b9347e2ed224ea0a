"""``bundled:deit-nano``: a real checkpoint that comes with the package and knows something."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from transformers import ViTForImageClassification, pipeline

from finetune.errors import CheckpointError
from finetune.model import open_saved
from finetune.model.nano import bundled_checkpoint

MEBIBYTES = 12


@pytest.fixture(scope="module")
def nano():
    return open_saved(bundled_checkpoint("deit-nano"))


def test_it_is_a_vit_of_1_4_million_parameters_with_1000_classes(nano):
    assert type(nano.model).__name__ == "ViTForImageClassification"
    assert 1_300_000 < sum(parameter.numel() for parameter in nano.model.parameters()) < 1_500_000
    assert (len(nano.labels), nano.labels.names[7]) == (1000, "mixed 0007")
    assert (nano.pixels.size_px, nano.pixels.resize) == (64, "squash")
    assert {parameter.dtype for parameter in nano.model.parameters()} == {torch.float32}


def test_it_is_small_and_in_half_precision_with_a_model_card():
    folder = bundled_checkpoint("deit-nano")
    assert sum(file.stat().st_size for file in folder.iterdir()) < MEBIBYTES * 2**20
    assert {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()} == {torch.float16}
    card = (folder / "README.md").read_text(encoding="utf-8")
    for word in ("formula", "images", "minutes", "digits", "pixels"):
        assert word in card


def test_it_knows_classes_of_formulas_that_it_was_trained_on(nano):
    from finetune.data.formula import draw

    classes, instances = np.arange(0, 1000, 5), np.full(200, 200)  # instances beyond those that it has seen
    pixels = torch.from_numpy(draw("mixed", 0, 64, classes, instances))
    with torch.no_grad():
        found = nano.model(pixel_values=nano.pixels.normalise(pixels)).logits.argmax(1).numpy()
    assert (found == classes).mean() > 0.6  # chance is 0.001


def test_its_features_tell_digits_apart_better_than_random_weights_do(nano):
    digits = load_digits()
    levels = (digits.images[:400] * 255 / 16).round().astype(np.uint8)
    images = [Image.fromarray(image).resize((64, 64), Image.Resampling.BICUBIC).convert("RGB") for image in levels]
    pixels = nano.pixels.normalise(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2))
    torch.manual_seed(0)
    accuracy = {}
    for name, model in (("pretrained", nano.model), ("random", ViTForImageClassification(nano.model.config).eval())):
        with torch.no_grad():
            features = StandardScaler().fit_transform(model.vit(pixels).last_hidden_state[:, 0].numpy())
        head = LogisticRegression(C=0.03, max_iter=300).fit(features[:100], digits.target[:100])
        accuracy[name] = head.score(features[100:], digits.target[100:400])
    assert accuracy["pretrained"] > accuracy["random"] + 0.1


def test_transformers_pipeline_opens_it():
    classify = pipeline("image-classification", str(bundled_checkpoint("deit-nano")), top_k=2)
    found = classify(Image.new("RGB", (80, 60), "red"))
    assert len(found) == 2
    assert found[0]["label"].startswith("mixed ")


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(CheckpointError, match=r"bundled:deit-nona: no such checkpoint; did you mean 'deit-nano'\?"):
        bundled_checkpoint("deit-nona")
