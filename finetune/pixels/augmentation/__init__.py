"""How training images are varied: crops in the workers, all else in batches on the device."""

from finetune.pixels.augmentation.presets import PRESETS, Augmentation, choose_augmentation

__all__ = ["PRESETS", "Augmentation", "choose_augmentation"]
