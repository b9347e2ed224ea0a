"""Figures for notebooks and files; matplotlib comes with the extra ``notebooks``."""

from finetune.plots.data_pictures import class_counts, sample_images, spread
from finetune.plots.drawing import (
    Drawing,
    Tile,
    confusion_matrix,
    curves,
    grouped_bars,
    image_and_scores,
    image_grid,
    rate_curve,
)

__all__ = [
    "Drawing",
    "Tile",
    "class_counts",
    "confusion_matrix",
    "curves",
    "grouped_bars",
    "image_and_scores",
    "image_grid",
    "rate_curve",
    "sample_images",
    "spread",
]
