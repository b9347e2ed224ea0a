"""Decoded images to model input: the one evaluation pipeline, and the random crops of training."""

from finetune.pixels.pipeline import PixelPipeline
from finetune.pixels.training_crop import TrainingCrop

__all__ = ["PixelPipeline", "TrainingCrop"]
