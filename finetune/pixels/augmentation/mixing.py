"""Mixup and cutmix: images and labels of a batch are blended in pairs.

Source: "mixup: Beyond Empirical Risk Minimization" (Zhang et al., 2017) and "CutMix" (Yun et al., 2019), in the
    version of timm's ``mixup.py`` with mode batch, which DeiT was trained with: one decision and one proportion for
    all images of a pass. timm pairs the first image with the last; here an image is paired with the one half a pass
    further on, so that it does not meet its own copy of repeated augmentation, which comes right beside it: a pass of
    at least twice as many images as there are copies has none that do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from finetune.errors import DataError, RecipeError
from finetune.pixels.augmentation.draws import columns_of

if TYPE_CHECKING:
    from finetune.recipe.augmentation import Augmentation


@dataclass(frozen=True)
class Mix:
    """What is done to all images of a pass.

    Args:
        share: Of an image in what it becomes; its partner has the rest.
        box: top, left, bottom, right of the partner's rectangle in pixels; None blends the whole images.
    """

    share: float
    box: tuple[int, int, int, int] | None = None


def choose_mix(draws: np.ndarray, size_px: int, augmentation: Augmentation) -> Mix | None:
    """Whether and how the images of a pass are mixed; None leaves them as they are.

    That cannot depend on one image alone. It depends on all images of the pass, by numbers that each of them brings:
    the same pass is mixed in the same way, in whatever process and after resuming, but a batch that is cut into other
    pieces (``optim.accumulation_steps``, the number of processes) is mixed in another way.

    Args:
        draws: (n, columns) of ``draw_numbers``.
        size_px: Side of the images.
    """
    bits = columns_of(draws, "mixing").astype(np.float32).view(np.uint32)
    rng = np.random.default_rng(bits.ravel().tolist())
    mixed, cut = rng.random(2)
    if mixed >= augmentation.mix_probability:
        return None
    mixup, cutmix = augmentation.mixup_alpha, augmentation.cutmix_alpha
    if cutmix and (not mixup or cut < augmentation.cutmix_share):
        return _cut(rng, float(rng.beta(cutmix, cutmix)), size_px)
    return Mix(float(rng.beta(mixup, mixup)))


def _cut(rng: np.random.Generator, share: float, size_px: int) -> Mix:
    """A square whose middle is anywhere in the image; what juts out is cut off and the share corrected for it."""
    side = int(size_px * (1.0 - share) ** 0.5)
    middles = rng.integers(0, size_px, 2)
    top, left = np.clip(middles - side // 2, 0, size_px).tolist()
    bottom, right = np.clip(middles + side // 2, 0, size_px).tolist()
    return Mix(1.0 - (bottom - top) * (right - left) / size_px**2, (top, left, bottom, right))


def mix_pixels(pixels: torch.Tensor, mix: Mix, paired: torch.Tensor) -> torch.Tensor:
    """Blend each image with its partner.

    Args:
        pixels: (n, 3, H, W) floating point; overwritten.
        paired: (n,) bool: False leaves an image as it is.
    """
    chosen = paired.view(-1, 1, 1, 1)
    if mix.box is None:
        share = torch.where(chosen, mix.share, 1.0).to(pixels.dtype)
        return torch.lerp(partners(pixels), pixels, share)
    top, left, bottom, right = mix.box
    own = pixels[:, :, top:bottom, left:right]
    pixels[:, :, top:bottom, left:right] = torch.where(chosen, partners(own), own)
    return pixels


def mix_targets(targets: torch.Tensor, mix: Mix, paired: torch.Tensor) -> torch.Tensor:
    """Blend each row of (n, C) floating point targets with its partner's, in the proportions of the pixels."""
    share = torch.where(paired.view(-1, 1), mix.share, 1.0).to(targets.dtype)
    return torch.lerp(partners(targets), targets, share)


def partners(rows: torch.Tensor) -> torch.Tensor:
    """(n, …) the rows that each row is paired with: half of their number further on.

    >>> partners(torch.arange(5)).tolist()
    [2, 3, 4, 0, 1]
    """
    return rows.roll(-(len(rows) // 2), 0)


def pairs(weights: torch.Tensor) -> torch.Tensor:
    """(n,) bool: which images get a partner. Padding, of weight 0, is mixed into nothing."""
    counts = weights > 0
    return counts & partners(counts)


def soft_targets(targets: torch.Tensor, classes: int) -> torch.Tensor:
    """(n, C) float32: class ids as rows with a single 1, multi-hot rows as they are.

    >>> soft_targets(torch.tensor([1]), 3).tolist(), soft_targets(torch.tensor([[1, 0]]), 2).tolist()
    ([[0.0, 1.0, 0.0]], [[1.0, 0.0]])
    """
    return (F.one_hot(targets.long(), classes) if targets.ndim == 1 else targets).float()


def check_labels_can_mix(augmentation: Augmentation, targets: np.ndarray) -> None:
    """Refuse to blend labels that nobody knows.

    Args:
        targets: Of the training images, (images,), or (images, classes) with -1 for unknown.
    Raises:
        DataError: images are mixed and a label is unknown.
    """
    unknown = int((targets < 0).reshape(len(targets), -1).any(axis=1).sum())
    if augmentation.mixes and unknown:
        raise DataError(
            f"{unknown} of {len(targets)} training images have labels that nobody knows (empty cells), and mixup and "
            "cutmix cannot blend what is unknown; set augment.mixup_alpha: 0 and augment.cutmix_alpha: 0, or fill the "
            "cells"
        )


def check_pieces_can_mix(augmentation: Augmentation, batch_size: int, accumulation_steps: int, processes: int) -> None:
    """Refuse to mix within pieces of a batch that hold one image: it would be mixed with itself.

    Raises:
        RecipeError: images are mixed, and a whole batch is cut that finely.
    """
    pieces = accumulation_steps * processes
    if augmentation.mixes and batch_size < 2 * pieces:
        cut = f"{accumulation_steps} accumulation_steps x {processes} processes"
        raise RecipeError(
            [
                f"optim.batch_size: found {batch_size}, of which {cut} make pieces of one image, which mixup and "
                f"cutmix would mix with itself; expected at least {2 * pieces}, or fewer optim.accumulation_steps, or "
                "augment.mixup_alpha: 0 and augment.cutmix_alpha: 0"
            ]
        )
