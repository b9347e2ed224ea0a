"""``augment``: how training images are varied."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from finetune.recipe.sections.section import Count, Fraction, NonNegative, Positive, Section


class Augment(Section):
    """How training images are varied. Evaluation never is. A key that is null is as the preset has it."""

    preset: Literal["none", "light", "deit", "three_augment"] = "light"
    """none: the evaluation crop; light: crops and mirroring; deit: DeiT's own, with RandAugment, erasing, mixup, cutmix
    and 3 repeats; three_augment: DeiT III's, with 3-Augment, colour jitter, mixup, cutmix and 3 repeats."""
    crop_scale: tuple[Fraction, Fraction] | Literal["evaluation"] | None = None
    """Area of the random crop as a share of the image; evaluation trains on the evaluation crop."""
    crop_ratio: tuple[Positive, Positive] = (0.75, 1.3333333333333333)
    """Width over height of the random crop."""
    horizontal_flip: Fraction | None = None
    """Probability of mirroring left and right."""
    vertical_flip: Fraction = 0.0
    """Probability of mirroring top and bottom."""
    color_jitter: Fraction | None = None
    """Strength s: brightness, contrast and saturation are each multiplied by a factor from 1 - s to 1 + s, in an
    order drawn for each image."""
    rand_augment_operations: Annotated[int, Field(ge=0)] | None = None
    """RandAugment: operations an image may get one after the other, each drawn anew; 0 switches it off."""
    rand_augment_magnitude: Annotated[float, Field(ge=0.0, le=10.0)] = 9.0
    """Mean strength of an operation, from 0 to 10."""
    rand_augment_magnitude_std: NonNegative = 0.5
    """Standard deviation of the strength."""
    rand_augment_increasing: bool = True
    """Whether a higher magnitude is the stronger one for every operation."""
    rand_augment_probability: Fraction = 0.5
    """Probability that a drawn operation is applied."""
    three_augment: Fraction | None = None
    """Probability that an image is made grey, solarised or blurred, one of the three."""
    erasing: Fraction | None = None
    """Probability that a rectangle is replaced by noise."""
    erasing_area: tuple[Fraction, Fraction] = (0.02, 0.3333333333333333)
    """Area of the rectangle as a share of the image."""
    mixup_alpha: NonNegative | None = None
    """Two images and their labels are blended in proportions drawn from Beta(alpha, alpha); 0 switches it off."""
    cutmix_alpha: NonNegative | None = None
    """A rectangle is replaced by another image's, its area drawn from Beta(alpha, alpha); 0 switches it off."""
    mix_probability: Fraction = 1.0
    """Probability that a batch is mixed at all, where mixup or cutmix is on."""
    cutmix_share: Fraction = 0.5
    """Share of the mixed batches that get cutmix, where both are on."""
    repeats: Count | None = None
    """Repeated augmentation: how often an image comes in an epoch, each time varied anew; an epoch keeps its length,
    so it holds fewer different images."""

    @model_validator(mode="after")
    def _ranges_rise(self) -> Augment:
        for name in ("crop_scale", "crop_ratio", "erasing_area"):
            bounds = getattr(self, name)
            if isinstance(bounds, tuple) and not 0 < bounds[0] <= bounds[1]:
                raise ValueError(f"{name} {list(bounds)} must be [low, high] with 0 < low <= high")
        if self.erasing_area[0] >= 1.0:
            raise ValueError(f"erasing_area {list(self.erasing_area)} is the whole image; write a low below 1")
        return self
