"""Images and a model to logits, probabilities and decisions: the same way for evaluation, prediction and serving."""

from finetune.predict.attention import looks
from finetune.predict.ensemble import Ensemble
from finetune.predict.features import encode, logits_of
from finetune.predict.opening import Runtime, folder_of_graph, open_predictor
from finetune.predict.outcomes import outcomes
from finetune.predict.pictures import overlays, worth_seeing, write_gallery, write_pictures
from finetune.predict.predictions import Prediction, how_sure, is_right, most_probable, prediction_rows
from finetune.predict.predictor import Predictor
from finetune.predict.scoring import Images, Precision, decoding_threads, score, whole_batches
from finetune.predict.sources import ManyImages, OneImage, Sources

__all__ = [
    "Ensemble",
    "Images",
    "ManyImages",
    "OneImage",
    "Precision",
    "Prediction",
    "Predictor",
    "Runtime",
    "Sources",
    "decoding_threads",
    "encode",
    "folder_of_graph",
    "how_sure",
    "is_right",
    "logits_of",
    "looks",
    "most_probable",
    "open_predictor",
    "outcomes",
    "overlays",
    "prediction_rows",
    "score",
    "whole_batches",
    "worth_seeing",
    "write_gallery",
    "write_pictures",
]
