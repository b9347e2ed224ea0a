"""Each operation against Pillow, whose arithmetic timm's RandAugment rests on."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from finetune.pixels.augmentation import colour, filters, geometry, tables
from finetune.pixels.augmentation.jitter import ORDERS, jitter, jitter_orders

SIDE = 32
FILL = (124, 116, 104)


def soft_image(seed: int) -> Image.Image:
    """A small photograph's stand-in: blurred noise, a different range of levels in each channel."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 6, 3)) * random.uniform(0.4, 0.9, 3) + random.integers(0, 25, 3)
    return Image.fromarray(coarse.astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


IMAGES = [soft_image(0), soft_image(1), Image.new("RGB", (SIDE, SIDE), (7, 200, 200))]
BATCH = torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in IMAGES])


def levels_apart(found: torch.Tensor, expected: list[Image.Image]) -> int:
    """The largest difference, in levels of 255."""
    assert found.dtype == torch.uint8
    wanted = torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in expected])
    return int((found.int() - wanted.int()).abs().max())


def strengths(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)


def solarize_add(image: Image.Image, added: int) -> Image.Image:
    return image.point([min(255, level + added) if level < 128 else level for level in range(256)] * 3)


@pytest.mark.parametrize(
    ("table", "pillow", "values"),
    [
        (tables.invert, lambda image, _: ImageOps.invert(image), (0, 0, 0)),
        (tables.posterize, lambda image, bits: ImageOps.posterize(image, int(bits)), (1, 3, 4)),
        (tables.solarize, lambda image, threshold: ImageOps.solarize(image, threshold), (26, 128, 256)),
        (tables.solarize_add, lambda image, added: solarize_add(image, int(added)), (99, 30, 110)),
        (tables.equalize, lambda image, _: ImageOps.equalize(image), (0, 0, 0)),
        (tables.brightness, lambda image, factor: ImageEnhance.Brightness(image).enhance(factor), (0.19, 1.0, 1.81)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_table_gives_pillows_levels(table, pillow, values):
    found = tables.look_up(BATCH, table(BATCH, strengths(*values)).expand(len(BATCH), -1, -1))
    assert levels_apart(found, [pillow(image, value) for image, value in zip(IMAGES, values, strict=True)]) == 0


@pytest.mark.parametrize(
    ("table", "pillow", "values"),
    [
        (tables.autocontrast, lambda image, _: ImageOps.autocontrast(image), (0, 0, 0)),
        (tables.contrast, lambda image, factor: ImageEnhance.Contrast(image).enhance(factor), (0.19, 1.3, 1.81)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_table_from_divisions_differs_from_pillows_by_one_level_at_most(table, pillow, values):
    """Where a quotient is a whole number, Pillow's floating point may fall just short of it."""
    found = tables.look_up(BATCH, table(BATCH, strengths(*values)))
    assert levels_apart(found, [pillow(image, value) for image, value in zip(IMAGES, values, strict=True)]) <= 1


@pytest.mark.parametrize("factors", [(0.19, 0.5, 1.0), (1.81, 1.2, 0.0)])
def test_saturation_and_sharpness_are_pillows_to_one_level(factors):
    for ours, pillow in ((colour.saturate, ImageEnhance.Color), (filters.sharpen, ImageEnhance.Sharpness)):
        expected = [pillow(image).enhance(factor) for image, factor in zip(IMAGES, factors, strict=True)]
        assert levels_apart(ours(BATCH, strengths(*factors)), expected) <= 1


def test_grey_is_pillows():
    grey = colour.grey_of(BATCH).expand(-1, 3, -1, -1)
    assert levels_apart(grey, [image.convert("L").convert("RGB") for image in IMAGES]) == 0


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_equalize_leaves_a_channel_of_one_level_alone(channel):
    assert tables.equalize(BATCH, strengths(0, 0, 0))[2, channel].tolist() == list(range(256))


def affine(*entries: float):
    def move(image: Image.Image) -> Image.Image:
        return image.transform((SIDE, SIDE), Image.Transform.AFFINE, entries, Image.Resampling.BILINEAR, fillcolor=FILL)

    return move


@pytest.mark.parametrize(
    ("matrix", "strength", "pillow"),
    [
        (geometry.rotate, 27.0, lambda image: image.rotate(27, Image.Resampling.BILINEAR, fillcolor=FILL)),
        (geometry.rotate, -10.0, lambda image: image.rotate(-10, Image.Resampling.BILINEAR, fillcolor=FILL)),
        (geometry.shear_x, 0.27, affine(1, 0.27, 0, 0, 1, 0)),
        (geometry.shear_y, -0.27, affine(1, 0, 0, -0.27, 1, 0)),
        (geometry.translate_x, 0.25, affine(1, 0, 0.25 * SIDE, 0, 1, 0)),
        (geometry.translate_y, -0.4, affine(1, 0, 0, 0, 1, -0.4 * SIDE)),
    ],
)
def test_a_movement_is_pillows_to_two_levels_but_where_the_edge_meets_the_fill(matrix, strength, pillow):
    """Along the image's edge ours fades into the fill, half a pixel wide; Pillow cuts."""
    matrices = torch.from_numpy(matrix(np.full(3, strength))).float()
    found = geometry.warp(BATCH, matrices, torch.tensor(FILL))
    expected = torch.stack([torch.from_numpy(np.array(pillow(image))).permute(2, 0, 1) for image in IMAGES])
    difference = (found.int() - expected.int()).abs().amax(dim=1)
    inside = geometry.warp(torch.full_like(BATCH, 255), matrices, torch.zeros(3))[:, 0]
    assert difference[inside == 255].max() <= 2
    assert difference[inside == 0].max() == 0
    assert ((inside > 0) & (inside < 255)).float().mean() < 4 / SIDE


def test_each_image_of_a_batch_is_moved_by_its_own_matrix():
    matrices = torch.from_numpy(geometry.translate_x(np.array([0.0, 0.5, -0.5]))).float()
    moved = geometry.warp(BATCH, matrices, torch.tensor(FILL))
    half = SIDE // 2
    assert torch.equal(moved[0], BATCH[0])
    assert torch.equal(moved[1, :, :, :half], BATCH[1, :, :, half:])
    assert torch.equal(moved[2, :, :, half:], BATCH[2, :, :, :half])


@pytest.mark.parametrize("sigma_px", [0.1, 0.7, 2.0])
def test_blur_is_pillows_to_three_levels(sigma_px):
    """Pillow stands in for the bell by three boxes."""
    expected = [image.filter(ImageFilter.GaussianBlur(sigma_px)) for image in IMAGES]
    assert levels_apart(filters.gaussian_blur(BATCH, strengths(*[sigma_px] * 3)), expected) <= 3


def test_each_image_of_a_batch_is_blurred_by_its_own_width():
    point = torch.zeros(2, 3, 33, 33, dtype=torch.uint8)
    point[:, :, 16, 16] = 255
    sharp, soft = filters.gaussian_blur(point, strengths(0.5, 2.0))[:, 0, 16, 16].tolist()
    assert sharp == round(255 / (sum(math.exp(-2 * i * i) for i in range(-6, 7)) ** 2))
    assert soft == round(255 / (sum(math.exp(-i * i / 8) for i in range(-6, 7)) ** 2))


PILLOWS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)


@pytest.mark.parametrize("order", range(6))
def test_jitter_is_pillows_to_four_levels_in_every_order(order):
    """As torchvision does it. Pillow cuts fractions off after each of the three changes."""
    factors = (1.4, 0.7, 1.3)
    expected = IMAGES[:2]
    for change in ORDERS[order]:
        expected = [PILLOWS[change](image).enhance(factors[change]) for image in expected]
    orders = np.array([order, order])
    found = jitter(BATCH[:2].float() / 255, torch.tensor([factors] * 2), orders)
    assert levels_apart((found * 255).round().byte(), expected) <= 4


def test_the_order_of_jitter_matters_and_is_each_images_own():
    one, factors = BATCH[:1].float() / 255, torch.tensor([[1.4, 0.7, 1.3]])
    alone = [jitter(one.clone(), factors, np.array([order]))[0] for order in range(6)]
    together = jitter(one.repeat(6, 1, 1, 1), factors.repeat(6, 1), np.array([5, 0, 3, 1, 4, 2]))
    assert all(torch.equal(together[at], alone[order]) for at, order in enumerate((5, 0, 3, 1, 4, 2)))
    assert len(torch.unique(torch.stack(alone).flatten(1), dim=0)) == 6


def test_every_order_of_jitter_comes_equally_often():
    counts = np.bincount(jitter_orders(np.random.default_rng(0).random(6000)), minlength=6)
    assert counts.tolist() == pytest.approx([1000] * 6, abs=100)


def test_jitter_multiplies_brightness_contrast_and_saturation():
    one = torch.tensor([0.2, 0.4, 0.6]).view(1, 3, 1, 1).expand(1, 3, 2, 2).clone()
    factors = torch.tensor([[0.5, 1.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    darker, grey, flat = jitter(one.repeat(3, 1, 1, 1), factors, np.zeros(3, dtype=int))[:, :, 0, 0]
    luma = 0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.6
    assert darker.tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert grey.tolist() == pytest.approx([luma] * 3, abs=1e-4)
    assert flat.tolist() == pytest.approx([luma] * 3, abs=1e-4)


def test_histograms_count_each_channels_levels():
    counts = tables.histograms(BATCH)
    expected = [np.bincount(BATCH[1, channel].numpy().ravel(), minlength=256).tolist() for channel in range(3)]
    assert counts[1].tolist() == expected
