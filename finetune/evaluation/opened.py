"""What can be evaluated: a run, the folds of a cross-validation together, or any checkpoint with a trained head."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from finetune.errors import CheckpointError
from finetune.evaluation.matching import distinct
from finetune.model.decision import read_decision
from finetune.model.head import class_names
from finetune.model.loading import load_strictly
from finetune.model.preprocessing import choose_preprocessing
from finetune.model.saved import LoadedModel
from finetune.model.sources import locate
from finetune.predict import Predictor, open_predictor
from finetune.recipe.sections import Model
from finetune.run_folder import RunFolder, is_ensemble, is_run, refuse_unfinished


@dataclass(frozen=True)
class Opened:
    """A model that is ready to be evaluated.

    Args:
        name: As the user named it.
        predictor: The model.
        run: Its run folder; None for a checkpoint.
        folds: Whether it is several models of a cross-validation.
        note: What a user should know of its preprocessing.
    """

    name: str
    predictor: Predictor
    run: RunFolder | None = None
    folds: bool = False
    note: str | None = None


def open_model(name: str | Path, device: torch.device | str | None = None) -> Opened:
    """Open a run folder, the folder of a cross-validation, or a checkpoint as ``model.checkpoint`` may name it.

    A checkpoint is prepared for as in training: with its own preprocessing, corrected where that is known to be wrong.
    One that does not say its task is taken to give one label an image, as those on the Hub do.

    Raises:
        RunFolderError: a run that has no model yet.
        CheckpointError: it cannot be found or read, or its head is not trained.
        UnreachableError: it would have to be downloaded and cannot.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        refuse_unfinished(path)
    if is_ensemble(path):
        return Opened(str(name), open_predictor(path, device), RunFolder(path), folds=True)
    if path.is_dir() and is_run(path):
        return Opened(str(name), open_predictor(path, device), RunFolder(path))
    source = locate(str(name), key="evaluate")
    with torch.random.fork_rng(devices=[]):
        model, not_filled = load_strictly(source.folder)
    if not_filled:
        raise CheckpointError(
            f"evaluate: {source.checkpoint} has no {sorted(not_filled)[0]} that fits its config.json, so its answers "
            "would be random; fine-tune it first, or name another"
        )
    model.config.id2label = dict(enumerate(distinct(class_names(model))))
    if model.config.problem_type is None:
        model.config.problem_type = "single_label_classification"
    pixels, note = choose_preprocessing(Model(checkpoint=source.checkpoint), source, None)
    predictor = Predictor(LoadedModel(model, pixels, source.record()), device=device)
    predictor.decision = read_decision(source.folder, predictor.labels)
    return Opened(str(name), predictor, note=note)
