"""A run folder, or a cross-validation's, to what predicts with it."""

from __future__ import annotations

from pathlib import Path

import torch

from finetune.predict.ensemble import open_ensemble
from finetune.predict.predictor import Predictor
from finetune.run_folder import RunFolder, is_ensemble, refuse_unfinished


def open_predictor(path: str | Path, device: torch.device | str | None = None) -> Predictor:
    """The model of a run, or all models of a cross-validation together, with their recipes' threshold and flip.

    Args:
        device: Where to compute; by default the GPU where there is one, else the CPU.
    Raises:
        RunFolderError: there is no run, or it has no model yet, or not all folds of a cross-validation are finished.
        CheckpointError: a model cannot be opened.
    """
    refuse_unfinished(path)
    if is_ensemble(path):
        return open_ensemble(path, device)
    run = RunFolder.open(path)
    evaluate = run.read_recipe().evaluate
    return Predictor(run.model, threshold=evaluate.threshold, flip=evaluate.flip, device=device)
