"""RandAugment, as timm's ``rand-m9-mstd0.5-inc1`` does it.

Source: "RandAugment: Practical automated data augmentation with a reduced search space" (Cubuk et al., 2019), in the
    version of timm's ``auto_augment.py``, which DeiT was trained with: the operations, their strengths, the normally
    distributed magnitude and the increasing variants are its. Two things differ: moved images are always interpolated
    bilinearly (timm draws bilinear or bicubic), and all images of a batch that drew the same operation get it at once.
    As with timm, a magnitude of 10 posterises to no bits at all: about one image in 700 becomes black.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from finetune.pixels.augmentation import colour, filters, geometry, tables
from finetune.pixels.augmentation.draws import columns_of, to_device, to_normal
from finetune.pixels.augmentation.groups import Part, change_parts

if TYPE_CHECKING:
    from finetune.recipe.augmentation import Augmentation

HIGHEST = 10.0
"""Magnitudes reach from 0 to this."""
Strength = Callable[[np.ndarray, np.ndarray, bool], np.ndarray]
"""(n,) magnitudes as shares of the highest, (n,) signs, and whether a higher one must be the stronger one."""


def _none(share: np.ndarray, sign: np.ndarray, increasing: bool) -> np.ndarray:
    return np.zeros_like(share)


def _degrees(share: np.ndarray, sign: np.ndarray, increasing: bool) -> np.ndarray:
    return np.asarray(sign * share * 30.0)


def _bits(share: np.ndarray, sign: np.ndarray, increasing: bool) -> np.ndarray:
    bits = np.floor(share * 4.0)
    return np.asarray(4.0 - bits if increasing else bits)


def _threshold(share: np.ndarray, sign: np.ndarray, increasing: bool) -> np.ndarray:
    threshold = np.floor(share * 256.0)
    return 256.0 - threshold if increasing else threshold


def _added(share: np.ndarray, sign: np.ndarray, increasing: bool) -> np.ndarray:
    return np.floor(share * 110.0)


def _factor(share: np.ndarray, sign: np.ndarray, increasing: bool) -> np.ndarray:
    return np.maximum(0.1, 1.0 + sign * share * 0.9) if increasing else share * 1.8 + 0.1


def _shear(share: np.ndarray, sign: np.ndarray, increasing: bool) -> np.ndarray:
    return np.asarray(sign * share * 0.3)


def _translation(share: np.ndarray, sign: np.ndarray, increasing: bool) -> np.ndarray:
    return np.asarray(sign * share * 0.45)


TABLES: dict[str, tuple[tables.Table, Strength]] = {
    "AutoContrast": (tables.autocontrast, _none),
    "Equalize": (tables.equalize, _none),
    "Invert": (tables.invert, _none),
    "Posterize": (tables.posterize, _bits),
    "Solarize": (tables.solarize, _threshold),
    "SolarizeAdd": (tables.solarize_add, _added),
    "Contrast": (tables.contrast, _factor),
    "Brightness": (tables.brightness, _factor),
}
BLENDS: dict[str, tuple[Callable[[torch.Tensor, torch.Tensor], torch.Tensor], Strength]] = {
    "Color": (colour.saturate, _factor),
    "Sharpness": (filters.sharpen, _factor),
}
MATRICES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Strength]] = {
    "Rotate": (geometry.rotate, _degrees),
    "ShearX": (geometry.shear_x, _shear),
    "ShearY": (geometry.shear_y, _shear),
    "TranslateXRel": (geometry.translate_x, _translation),
    "TranslateYRel": (geometry.translate_y, _translation),
}
OPERATIONS = (*TABLES, *BLENDS, *MATRICES)
"""timm's names, without its suffix Increasing."""


class Group(NamedTuple):
    """The images of a batch that get the same operation.

    Args:
        images: (k,) places in the batch.
        strengths: (k,) in the operation's own unit.
    """

    operation: str
    images: np.ndarray
    strengths: np.ndarray


def rand_augment(
    pixels: torch.Tensor, draws: np.ndarray, augmentation: Augmentation, fill: torch.Tensor
) -> torch.Tensor:
    """Operations one after the other, each image its own.

    Args:
        pixels: (n, 3, H, W) uint8, square.
        draws: (n, columns) of ``draw_numbers``.
        fill: (3,) levels that come in from outside where an image is moved.
    """
    slots = columns_of(draws, "rand_augment")
    for slot in range(slots.shape[1]):
        pixels = apply_groups(pixels, groups_of(slots[:, slot], augmentation), fill)
    return pixels


def groups_of(draws: np.ndarray, augmentation: Augmentation) -> list[Group]:
    """Which images get which operation, how strongly.

    Args:
        draws: (n, 4) numbers in [0, 1): operation, whether it is applied, magnitude, sign.
    """
    chosen = (draws[:, 0] * len(OPERATIONS)).astype(np.int64)
    applied = draws[:, 1] < augmentation.rand_augment_probability
    mean, std = augmentation.rand_augment_magnitude, augmentation.rand_augment_magnitude_std
    shares = np.clip(mean + std * to_normal(draws[:, 2]), 0.0, HIGHEST) / HIGHEST
    signs = np.where(draws[:, 3] < 0.5, -1.0, 1.0)
    groups = []
    for number in np.unique(chosen[applied]).tolist():
        images = np.flatnonzero(applied & (chosen == number))
        strength = (TABLES | BLENDS | MATRICES)[OPERATIONS[number]][1]
        strengths = strength(shares[images], signs[images], augmentation.rand_augment_increasing)
        groups.append(Group(OPERATIONS[number], images, strengths))
    return groups


def apply_groups(pixels: torch.Tensor, groups: list[Group], fill: torch.Tensor) -> torch.Tensor:
    """Carry out one slot's operations: all that are tables in one look-up, all movements in one warp."""
    by_table = [group for group in groups if group.operation in TABLES]
    moved = [group for group in groups if group.operation in MATRICES]
    blended = [group for group in groups if group.operation in BLENDS]
    parts: list[Part] = [(group.images, functools.partial(_blend, group)) for group in blended]
    parts.append((_images(by_table), functools.partial(_look_up, by_table)))
    parts.append((_images(moved), functools.partial(_warp, moved, fill)))
    return change_parts(pixels, parts)


def _images(groups: list[Group]) -> np.ndarray:
    return np.concatenate([np.empty(0, dtype=np.int64), *(group.images for group in groups)])


def _blend(group: Group, pixels: torch.Tensor) -> torch.Tensor:
    return BLENDS[group.operation][0](pixels, to_device(group.strengths, pixels.device))


def _look_up(groups: list[Group], pixels: torch.Tensor) -> torch.Tensor:
    found = []
    for group, theirs in zip(groups, torch.split(pixels, [len(group.images) for group in groups]), strict=True):
        table = TABLES[group.operation][0](theirs, to_device(group.strengths, pixels.device))
        found.append(table.expand(len(theirs), -1, -1))
    return tables.look_up(pixels, torch.cat(found))


def _warp(groups: list[Group], fill: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    matrices = np.concatenate([MATRICES[group.operation][0](group.strengths) for group in groups])
    return geometry.warp(pixels, to_device(matrices, pixels.device), fill)
