"""What all kinds of packages have in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finetune.data.bundled.fridge.artwork import Palette

WRAP_PX = (640, 448)  # of a print that goes once around


@dataclass(frozen=True)
class Build:
    """What a package is to be like, whatever it is.

    Args:
        height: In cm.
        slenderness: Width divided by height.
        palette: Its colours.
    """

    height: float
    slenderness: float
    palette: Palette

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Build:
        """The same for all classes."""
        return cls(rng.uniform(13, 19.5), rng.uniform(0.33, 0.47), Palette.drawn(rng))

    @property
    def radius(self) -> float:
        """Half the width, in cm."""
        return self.height * self.slenderness / 2
