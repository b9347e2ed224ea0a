"""Exports for a Python user: written, and opened again."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from finetune.api.run import Run
from finetune.errors import FinetuneError, RunFolderError
from finetune.run_folder import RunFolder, is_ensemble

if TYPE_CHECKING:
    from finetune.export import Exported
    from finetune.predict import Predictor

Target = Literal["onnx", "hub"]


class OnnxRun(Run):
    """A run whose exported ONNX graph predicts."""

    @cached_property
    def predictor(self) -> Predictor:
        """The graph, loaded when it is first needed."""
        from finetune.model.decision import read_decision
        from finetune.predict.onnx_model import OnnxPredictor

        predictor = OnnxPredictor(self.path / "export" / "onnx")
        if predictor.tuned != read_decision(self.folder.model, predictor.labels):
            raise RunFolderError(
                f"{self.folder}: was tuned after it was exported, so its ONNX model decides otherwise; export it again "
                f"by deit-finetune export {self.folder} --to onnx"
            )
        return predictor

    @property
    def models(self) -> list[Path]:
        """The folder of the graph."""
        return [self.path / "export" / "onnx"]


def open_exported(path: str | Path, device: str | None = None) -> OnnxRun:
    """The run of an ONNX export.

    Raises:
        RunFolderError: there is no run, or it was not exported.
        FinetuneError: another device than the CPU is asked for.
    """
    if device not in (None, "cpu"):
        raise FinetuneError(f"device {device}: an ONNX model predicts on the CPU here; leave the device out")
    run = _single(path, "predict with them without --runtime onnx")
    if not (run.path / "export" / "onnx" / "model.onnx").is_file():
        raise RunFolderError(f"{run}: was not exported; write it by deit-finetune export {run} --to onnx")
    return OnnxRun(run)


def export(path: str | Path, to: Target, **options: Any) -> Exported:
    """Write a run for other programs, into its folder ``export``; print what comes back to see what was written.

    Args:
        to: ``onnx``: a graph, as of `finetune.export.export_onnx`. ``hub``: a model repository, as of
            `finetune.export.export_hub`.
        options: As of that function.
    Raises:
        RunFolderError: there is no run, or it is a cross-validation.
        FinetuneError: an option is of another target.
    """
    from finetune import export as package

    writers: dict[Target, Callable[..., Exported]] = {
        "onnx": package.export_onnx,
        "hub": package.export_hub,
    }
    write = writers[to]
    own = list(signature(write).parameters)[1:]
    for name in options:
        if name not in own:
            raise FinetuneError(f"{name}: has no meaning for an export to {to}; its options are {', '.join(own)}")
    return write(_single(path, "export one of its folds"), **options)


def _single(path: str | Path, instead: str) -> RunFolder:
    if is_ensemble(path):
        raise RunFolderError(f"{path}: is several models, and an export holds one; {instead}")
    return RunFolder.open(path)
