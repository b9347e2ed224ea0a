"""3-Augment: grey, solarised or blurred."""

from __future__ import annotations

import pytest
import torch

from finetune.pixels.augmentation.three_augment import three_augment
from finetune.recipe.augmentation import PRESETS


def kinds(before: torch.Tensor, after: torch.Tensor) -> list[str]:
    names = []
    for old, new in zip(before, after, strict=True):
        if torch.equal(old, new):
            names.append("none")
        elif torch.equal(new[0], new[1]) and torch.equal(new[1], new[2]):
            names.append("grey")
        elif torch.equal(new, torch.where(old < 128, old, 255 - old)):
            names.append("solarised")
        else:
            names.append("blurred")
    return names


def test_each_of_the_three_comes_equally_often(batch_of):
    batch = batch_of(PRESETS["three_augment"], 300)
    found = kinds(batch["pixels"], three_augment(batch["pixels"], batch["draws"], 1.0))
    assert found.count("none") < 15  # a blur by 0.1 px changes nothing
    for name in ("grey", "solarised", "blurred"):
        assert found.count(name) == pytest.approx(100, abs=25)


@pytest.mark.parametrize("probability", [0.0, 0.25])
def test_the_three_come_as_often_as_asked(batch_of, probability):
    batch = batch_of(PRESETS["three_augment"], 300)
    found = kinds(batch["pixels"], three_augment(batch["pixels"], batch["draws"], probability))
    assert 1 - found.count("none") / 300 == pytest.approx(probability, abs=0.07 if probability else 0.0)
    assert len(set(found)) == (4 if probability else 1)


def test_images_in_a_batch_get_what_each_of_them_gets_alone(batch_of):
    batch = batch_of(PRESETS["three_augment"], 30)
    together = three_augment(batch["pixels"], batch["draws"], 1.0)
    for i in range(30):
        assert torch.equal(three_augment(batch["pixels"][i : i + 1], batch["draws"][i : i + 1], 1.0)[0], together[i])
