"""A run folder, or a cross-validation's, to what predicts with it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from finetune.errors import FinetuneError, RunFolderError
from finetune.model.decision import read_decision
from finetune.predict.ensemble import Ensemble
from finetune.predict.onnx_model import GRAPH, OnnxPredictor
from finetune.predict.predictor import Predictor
from finetune.run_folder import RunFolder, is_ensemble, read_members, refuse_unfinished

Runtime = Literal["torch", "onnx"]


def open_predictor(path: str | Path, device: torch.device | str | None = None, runtime: Runtime = "torch") -> Predictor:
    """The model of a run, or all models of a cross-validation together, with their recipes' threshold and flip.

    Args:
        device: Where to compute; by default the GPU where there is one, else the CPU.
        runtime: ``onnx`` opens what ``deit-finetune export RUN --to onnx`` wrote, which computes on the CPU.
    Raises:
        RunFolderError: there is no run, or it has no model yet, or not all folds of a cross-validation are finished;
            or it was not exported, or tuned after it was.
        CheckpointError: a model cannot be opened.
        FinetuneError: another device than the CPU is asked for, and the runtime is ``onnx``.
    """
    refuse_unfinished(path)
    if runtime == "onnx":
        return _open_graph(path, device)
    if is_ensemble(path):
        return Ensemble([_open_model(run, device) for run in read_members(path)])
    return _open_model(RunFolder.open(path), device)


def _open_model(run: RunFolder, device: torch.device | str | None) -> Predictor:
    evaluate = run.read_recipe().evaluate
    return Predictor(run.model, threshold=evaluate.threshold, flip=evaluate.flip, device=device)


def folder_of_graph(path: str | Path) -> Path:
    """Where a run's ONNX graph lies.

    Raises:
        RunFolderError: there is no run, it is several models, or it was not exported.
    """
    if is_ensemble(path):
        raise RunFolderError(
            f"{path}: is several models, and an export holds one; predict with them without --runtime onnx"
        )
    run = RunFolder.open(path)
    folder = run.exports / "onnx"
    if not (folder / GRAPH).is_file():
        raise RunFolderError(f"{run}: was not exported; write it by deit-finetune export {run} --to onnx")
    return folder


def _open_graph(path: str | Path, device: torch.device | str | None) -> OnnxPredictor:
    if device is not None and torch.device(device).type != "cpu":
        raise FinetuneError(f"device {device}: an ONNX model predicts on the CPU here; leave the device out")
    predictor, run = OnnxPredictor(folder_of_graph(path)), RunFolder(Path(path))
    if predictor.tuned != read_decision(run.model, predictor.labels):
        raise RunFolderError(
            f"{run}: was tuned after it was exported, so its ONNX model decides otherwise; export it again by "
            f"deit-finetune export {run} --to onnx"
        )
    return predictor
