"""Training images as the model sees them: the very batches of training, without a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from finetune.data import Splits, targets
from finetune.data.decoded import DecodedImages
from finetune.pixels import PixelPipeline, TrainingCrop
from finetune.pixels.augmentation.device import DeviceAugmentation
from finetune.pixels.augmentation.mixing import check_labels_can_mix, soft_targets
from finetune.recipe import Recipe
from finetune.recipe.augmentation import choose_augmentation
from finetune.training.batches import Draw, TrainingImages


@dataclass(frozen=True)
class View:
    """A picture, and the share of each class that its target holds, the largest first.

    >>> View(Image.new("RGB", (1, 1)), [("can", 0.75), ("carton", 0.25)]).shares[0]
    ('can', 0.75)
    """

    image: Image.Image
    shares: list[tuple[str, float]]


@dataclass(frozen=True)
class Sight:
    """One training image, what evaluation would make of it, and what it is in some epochs."""

    original: View
    evaluation: View
    epochs: list[View]


class Sights:
    """Views of some training images.

    Where images are mixed, a pass holds just these: training would mix them with others.

    Args:
        recipe: Its ``augment`` section and ``run.seed`` vary the images.
        splits: Its data.
        pixels: The checkpoint's preprocessing.
    Raises:
        DataError: images are to be mixed whose labels are unknown.
    """

    def __init__(self, recipe: Recipe, splits: Splits, pixels: PixelPipeline) -> None:
        augmentation = choose_augmentation(recipe.augment)
        self.labels, self.pixels, self.seed = splits.labels, pixels, recipe.run.seed
        self.targets = targets(splits.datasets["train"])
        check_labels_can_mix(augmentation, self.targets)
        self.decoded = DecodedImages(splits.datasets["train"], recipe.data.keep_decoded_mb)
        crop = TrainingCrop(augmentation, pixels)
        self.training = TrainingImages(self.decoded, self.targets, crop, self.seed)
        self.vary = DeviceAugmentation(augmentation, pixels, len(splits.labels))

    def of(self, images: int, epochs: int) -> list[Sight]:
        """At most so many images, spread over the classes, in the first epochs.

        Args:
            images, epochs: How many.
        """
        chosen = self._spread(images)
        seen = [self._epoch(chosen, epoch) for epoch in range(epochs)]
        return [self._sight(image, [views[image] for views in seen]) for image in chosen]

    def _spread(self, images: int) -> list[int]:
        by_class = sorted(range(len(self.targets)), key=lambda image: self.targets[image].tolist())
        count = min(images, len(by_class))
        return [by_class[place * len(by_class) // count] for place in range(count)]

    def _epoch(self, chosen: list[int], epoch: int) -> dict[int, View]:
        """The images as one pass, in an order of the epoch's own, so that partners change."""
        order = np.random.default_rng([self.seed, epoch]).permutation(chosen).tolist()
        batch = self.vary(self.training.__getitems__([Draw(epoch, image, 0, 1.0) for image in order]))
        rows = soft_targets(batch["targets"], len(self.labels))
        levels = batch["pixels"] if batch["pixels"].dtype == torch.uint8 else _levels(batch["pixels"])
        return {image: View(_picture(levels[at]), self._shares(rows[at])) for at, image in enumerate(order)}

    def _sight(self, image: int, epochs: list[View]) -> Sight:
        truth = torch.from_numpy(self.targets[[image]])
        shares = self._shares(soft_targets(truth, len(self.labels))[0])
        evaluation = _picture(torch.from_numpy(self.pixels.to_uint8(self.decoded[image])))
        return Sight(View(self.decoded[image], shares), View(evaluation, shares), epochs)

    def _shares(self, row: torch.Tensor) -> list[tuple[str, float]]:
        shares = [(self.labels.name(number), share) for number, share in enumerate(row.tolist()) if share > 0]
        return sorted(shares, key=lambda pair: -pair[1])


def _levels(pixels: torch.Tensor) -> torch.Tensor:
    """(…) floating point in [0, 1] to uint8; the noise of erasing is cut off at black and white."""
    return pixels.mul(255.0).round_().clamp_(0, 255).to(torch.uint8)


def _picture(levels: torch.Tensor) -> Image.Image:
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())
