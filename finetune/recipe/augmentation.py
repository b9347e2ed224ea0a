"""``augment.preset`` and what a recipe says beside it, as one set of values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from finetune.recipe.preset_table import preset_table

if TYPE_CHECKING:
    from finetune.recipe.sections import Augment


@dataclass(frozen=True)
class Augmentation:
    """Every value that varies an image, as ``recipe.augment`` names them.

    Args:
        crop_scale: None trains on the evaluation crop.

    >>> Augmentation().mixes, PRESETS["deit"].mixes
    (False, True)
    """

    crop_scale: tuple[float, float] | None = None
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    horizontal_flip: float = 0.0
    vertical_flip: float = 0.0
    color_jitter: float = 0.0
    rand_augment_operations: int = 0
    rand_augment_magnitude: float = 9.0
    rand_augment_magnitude_std: float = 0.5
    rand_augment_increasing: bool = True
    rand_augment_probability: float = 0.5
    three_augment: float = 0.0
    erasing: float = 0.0
    erasing_area: tuple[float, float] = (0.02, 1 / 3)
    mixup_alpha: float = 0.0
    cutmix_alpha: float = 0.0
    mix_probability: float = 1.0
    cutmix_share: float = 0.5
    repeats: int = 1

    @property
    def mixes(self) -> bool:
        """Whether images, and so their labels, are mixed."""
        return self.mix_probability > 0 and (self.mixup_alpha > 0 or self.cutmix_alpha > 0)

    @property
    def varies_after_crop(self) -> bool:
        """Whether anything is done to an image but cropping and flipping it."""
        looks = self.color_jitter or self.rand_augment_operations or self.three_augment or self.erasing
        return bool(looks or self.mixes)

    @property
    def varies(self) -> bool:
        """Whether an image differs from one epoch to the next."""
        flips = self.horizontal_flip or self.vertical_flip
        return bool(self.crop_scale or flips or self.varies_after_crop)


# Sources: DeiT's published training code, main.py (its --color-jitter 0.3 has no effect beside RandAugment: timm then
# leaves the jitter out), and "DeiT III: Revenge of the ViT" (Touvron et al., 2022), table 1, with its --ThreeAugment.
# The filter of the crop is the checkpoint's, where theirs is always bicubic; recipes/README.md lists what else differs.
PRESETS = {
    "none": Augmentation(),
    "light": Augmentation(crop_scale=(0.35, 1.0), horizontal_flip=0.5),
    "deit": Augmentation(
        crop_scale=(0.08, 1.0),
        horizontal_flip=0.5,
        rand_augment_operations=2,
        erasing=0.25,
        mixup_alpha=0.8,
        cutmix_alpha=1.0,
        repeats=3,
    ),
    "three_augment": Augmentation(
        crop_scale=(0.08, 1.0),
        horizontal_flip=0.5,
        color_jitter=0.3,
        three_augment=1.0,
        mixup_alpha=0.8,
        cutmix_alpha=1.0,
        repeats=3,
    ),
}


def choose_augmentation(augment: Augment) -> Augmentation:
    """The preset's values, and the recipe's where it has its own.

    >>> from finetune.recipe.sections import Augment
    >>> choose_augmentation(Augment(preset="deit", erasing=0.0)) == PRESETS["deit"]
    False
    """
    preset = PRESETS[augment.preset]
    values: dict[str, Any] = {}
    for field in fields(Augmentation):
        own = getattr(augment, field.name)
        values[field.name] = getattr(preset, field.name) if own is None else own
    if values["crop_scale"] == "evaluation":
        values["crop_scale"] = None
    return Augmentation(**values)


def presets_table() -> str:
    """Every preset spelled out, as Markdown.

    >>> print(presets_table().splitlines()[2])
    | `crop_scale` | evaluation | [0.35, 1.0] | [0.08, 1.0] | [0.08, 1.0] |
    """
    evaluation = {"crop_scale": "evaluation"}
    values = {name: asdict(preset) | ({} if preset.crop_scale else evaluation) for name, preset in PRESETS.items()}
    return preset_table("augment", values)
