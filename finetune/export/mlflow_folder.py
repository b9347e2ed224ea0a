"""A run's model for MLflow, accepted only where it is opened again and says what the run says."""

from __future__ import annotations

import base64
import dataclasses
import io
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from finetune.export.agreement import Agreement, Limits, agreement, samples_of
from finetune.export.replacing import replacing
from finetune.extras import need_extra
from finetune.predict import ManyImages, Predictor, Sources, mlflow_model
from finetune.predict.ensemble import logits_of
from finetune.predict.mlflow_model import COLUMN
from finetune.run_folder import RunFolder

LIMITS = Limits(1e-5, 1.0)
REQUIREMENTS = ("mlflow", "numpy", "pillow", "pydantic", "ruamel.yaml", "safetensors", "torch", "transformers")
"""What predicting imports; each is pinned to the version that is installed."""
_COMPARED = 32  # images; weights and code are the run's own, so that a few show whether all is in its place
_AT_ONCE = 8  # images in one question: each is decoded and encoded again, and a large photograph takes megabytes
_SWITCHES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",  # would copy pyproject.toml and uv.lock of the working directory
}


@dataclasses.dataclass(frozen=True)
class MlflowExport:
    """What was written, and how it compares with the run."""

    folder: Path
    agreement: Agreement

    def __str__(self) -> str:
        size_mb = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()) / 2**20
        return f"{self.folder} ({size_mb:.1f} MB)\n{self.agreement}"


def export_mlflow(run: RunFolder) -> MlflowExport:
    """Write ``export/mlflow`` of a run, in the place of an earlier one: a model that ``mlflow.pyfunc.load_model``,
    ``mlflow models serve`` and Azure ML's deployments without code open.

    It holds the run's model folder, this package's Python files, which therefore need not be installed where it is
    opened, and the versions of all else that predicting needs. There is no pickle in it, and no path of this machine.

    The signature is that of Azure's model cards: a string ``image`` in; ``label`` and ``score`` out. It describes an
    entry of the answer, which is a list of them for each image. MLflow could write that as an array of objects, but
    Azure's scoring script asks for the pandas type of every output and does not start where it has none.

    Raises:
        CheckpointError: what is opened again differs from the run by more than `LIMITS`; an earlier export stays.
        HardwareError: MLflow is not installed.
    """
    need_extra("mlflow", "mlflow")
    evaluate = run.read_recipe().evaluate
    predictor = Predictor(run.model, threshold=evaluate.threshold, flip=evaluate.flip, device="cpu")
    images = samples_of(run, _COMPARED)
    target = run.exports / "mlflow"
    with replacing(target) as fresh, _mlflow_apart():
        _write(run.model, {"threshold": evaluate.threshold, "flip": evaluate.flip, "device": None}, fresh)
        found = agreement(predictor, _Opened(fresh, predictor), images)
        LIMITS.hold(found, f"{run}: the MLflow model", "this is a fault of this program, please report it")
    return MlflowExport(target, found)


def _write(model: Path, config: dict[str, Any], folder: Path) -> None:
    import mlflow
    import pandas
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    with tempfile.TemporaryDirectory() as scratch:
        mlflow.pyfunc.save_model(
            folder,
            loader_module=mlflow_model.__name__,
            data_path=str(model),
            code_paths=[str(_own_code(Path(scratch)))],
            model_config=config,
            signature=ModelSignature(
                inputs=Schema([ColSpec("string", COLUMN)]),
                outputs=Schema([ColSpec("string", "label"), ColSpec("double", "score")]),
            ),
            input_example=pandas.DataFrame({COLUMN: [_base64(Image.linear_gradient("L").resize((16, 16)))]}),
            pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in REQUIREMENTS],
        )


def _own_code(folder: Path) -> Path:
    """This package without what is no Python. All of it: what predicting imports, and when, only the code itself
    knows, and next to a model's weights its megabyte does not count."""
    package = Path(__file__).parents[1]

    def no_python(where: str, names: list[str]) -> set[str]:
        return {name for name in names if not name.endswith(".py") and not (Path(where) / name).is_dir()} | {"assets"}

    copy = shutil.copytree(package, folder / package.name, ignore=no_python)
    return Path(copy)


class _Opened(Predictor):
    """What an export answers to base64 through MLflow, as a predictor, to compare with another.

    Args:
        folder: The export.
        original: What it was made from.
    """

    def __init__(self, folder: Path, original: Predictor) -> None:
        import mlflow

        self._model = mlflow.pyfunc.load_model(str(folder), model_config={"device": "cpu"})
        self.labels, self.task, self.threshold = original.labels, original.task, original.threshold
        self.decision = dataclasses.replace(original.decision, temperature=None)  # the scores have it in them

    def logits(self, images: ManyImages | Sources, **_: Any) -> np.ndarray:
        """Logits that have the scores of the answers."""
        import pandas

        sources, rows = images if isinstance(images, Sources) else Sources(images), list[list[float]]()
        for start in range(0, len(sources), _AT_ONCE):
            texts = [_base64(sources[index]) for index in range(start, min(start + _AT_ONCE, len(sources)))]
            for answer in self._model.predict(pandas.DataFrame({COLUMN: texts})):
                scores = {entry["label"]: entry["score"] for entry in answer}
                rows.append([scores[name] for name in self.labels.names])
        return logits_of(self.task.name, np.array(rows, dtype=np.float64))


def _base64(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return base64.b64encode(file.getvalue()).decode()


@contextmanager
def _mlflow_apart() -> Iterator[None]:
    """MLflow without telemetry and advice, and without a trace: what it puts before the module path would point into
    a folder that is renamed."""
    switches, module_path = {name: os.environ.get(name) for name in _SWITCHES}, sys.path
    os.environ.update(_SWITCHES)
    logger = logging.getLogger("mlflow")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow  # noqa: F401  # it sets the logger's level

        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
            sys.path = module_path
            for name, value in switches.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value
