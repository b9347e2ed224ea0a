"""Exports for a Python user."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from finetune.errors import FinetuneError, RunFolderError
from finetune.run_folder import RunFolder, is_ensemble

if TYPE_CHECKING:
    from finetune.export import Exported

Target = Literal["onnx", "mlflow", "hub"]


def export(path: str | Path, to: Target, **options: Any) -> Exported:
    """Write a run for other programs, into its folder ``export``; print what comes back to see what was written.

    Args:
        to: ``onnx``: a graph, as of `finetune.export.export_onnx`. ``mlflow``: a model of its pyfunc flavour, as of
            `finetune.export.export_mlflow`. ``hub``: a model repository, as of `finetune.export.export_hub`.
        options: As of that function.
    Raises:
        RunFolderError: there is no run, or it is a cross-validation.
        FinetuneError: an option is of another target.
    """
    from finetune import export as package

    writers: dict[Target, Callable[..., Exported]] = {
        "onnx": package.export_onnx,
        "mlflow": package.export_mlflow,
        "hub": package.export_hub,
    }
    write = writers[to]
    own = list(signature(write).parameters)[1:]
    for name in options:
        if name not in own:
            options_are = f"its options are {', '.join(own)}" if own else "it has no options"
            raise FinetuneError(f"{name}: has no meaning for an export to {to}; {options_are}")
    return write(_single(path), **options)


def _single(path: str | Path) -> RunFolder:
    if is_ensemble(path):
        raise RunFolderError(f"{path}: is several models, and an export holds one; export one of its folds")
    return RunFolder.open(path)
