"""Random erasing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from finetune.pixels.augmentation.erasing import erase, erased_box
from finetune.recipe.augmentation import Augmentation

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
AREA = (0.02, 1 / 3)


def erased(draws: np.ndarray, probability: float = 1.0, area: tuple[float, float] = AREA, side: int = 32):
    """(n, 3, side, side) of what was grey 2.0, a value that noise does not have."""
    return erase(torch.full((len(draws), 3, side, side), 2.0), draws, probability, area, MEAN, STD)


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_images_are_erased_as_often_as_asked(draws_of, probability):
    found = (erased(draws_of(Augmentation(), 400), probability) != 2.0).flatten(1).any(dim=1).float().mean()
    assert float(found) == pytest.approx(probability, abs=0.06 if probability == 0.25 else 0.0)


def test_what_is_erased_is_one_rectangle_through_all_channels(draws_of):
    for image in erased(draws_of(Augmentation(), 20)) != 2.0:
        rows, columns = image[0].any(dim=1), image[0].any(dim=0)
        assert torch.equal(image, (rows[:, None] & columns[None, :]).expand(3, -1, -1))


@pytest.mark.parametrize("area", [(0.02, 1 / 3), (0.5, 0.6)])
def test_rectangles_keep_to_the_area_and_the_shape(area):
    random = np.random.default_rng(0)
    boxes = [erased_box(224, 224, area, random.random((10, 4))) for _ in range(300)]
    sizes = [(bottom - top, right - left) for top, left, bottom, right in boxes]
    assert all(0 <= top < bottom <= 224 and 0 <= left < right <= 224 for top, left, bottom, right in boxes)
    shares = [h * w / 224**2 for h, w in sizes]
    assert area[0] * 0.95 < min(shares) < max(shares) < area[1] * 1.05
    assert all(0.28 < h / w < 3.5 for h, w in sizes)
    assert min(left for _, left, _, _ in boxes) == 0 or min(top for top, _, _, _ in boxes) == 0


def test_nothing_is_erased_where_no_rectangle_fits():
    assert erased_box(10, 10, (1.0, 1.0), np.full((10, 4), 0.5)) is None


def test_the_noise_is_standard_normal_once_it_is_normalised(draws_of):
    found = erased(draws_of(Augmentation(), 30), area=(0.3, 1 / 3), side=64)
    normalised = (found - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)
    noise = normalised.transpose(0, 1)[:, (found != 2.0)[:, 0]]
    assert noise.mean(dim=1).tolist() == pytest.approx([0.0] * 3, abs=0.02)
    assert noise.std(dim=1).tolist() == pytest.approx([1.0] * 3, abs=0.02)


def test_noise_differs_between_images_and_stays_with_its_image(draws_of):
    draws = draws_of(Augmentation(), 6)
    together = erased(draws)
    for i in range(6):
        assert torch.equal(erased(draws[i : i + 1])[0], together[i])
    same_box = np.repeat(draws[:1], 2, axis=0)
    same_box[1, 8] = draws[1, 8]  # the seed's column alone
    first, second = erased(same_box)
    assert torch.equal(first != 2.0, second != 2.0)
    assert not torch.equal(first, second)
