"""Figures for notebooks, reports and files."""

from finetune.plots.data_pictures import class_counts, sample_images, spread
from finetune.plots.drawing import (
    Drawing,
    Tile,
    confusion_matrix,
    curves,
    grouped_bars,
    image_and_scores,
    image_grid,
    precision_recall_curves,
    rate_curve,
    reliability_diagram,
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
    "precision_recall_curves",
    "rate_curve",
    "reliability_diagram",
    "sample_images",
    "spread",
]
