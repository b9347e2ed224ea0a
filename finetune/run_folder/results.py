"""The files that say how a model did, in a run folder and in each folder below its ``evaluations``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.errors import RunFolderError
from finetune.run_folder.json_files import read_json, read_json_lines, write_json, write_json_lines


@dataclass(frozen=True)
class ResultFolder:
    """A folder with metrics and predictions; its properties are the paths of its parts.

    Args:
        path: The folder. It is made absolute, so that a later change of the working directory does not matter.
    """

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path).expanduser().absolute())

    def __str__(self) -> str:
        """The path, relative to the working directory where it lies below it."""
        return str(self.path.relative_to(Path.cwd()) if self.path.is_relative_to(Path.cwd()) else self.path)

    @property
    def metrics(self) -> Path:
        """Metrics, by split."""
        return self.path / "metrics.json"

    @property
    def predictions(self) -> Path:
        """A line per image."""
        return self.path / "predictions.jsonl"

    @property
    def reliability(self) -> Path:
        """How probabilities compare with what came true, by split."""
        return self.path / "reliability.json"

    @property
    def label_errors(self) -> Path:
        """Labels that are perhaps wrong."""
        return self.path / "label_errors.json"

    @property
    def tuning(self) -> Path:
        """What thresholds and temperatures gained; only where something was tuned."""
        return self.path / "tuning.json"

    @property
    def pictures(self) -> Path:
        """Thumbnails of a few images, and where the model looked on them."""
        return self.path / "pictures"

    @property
    def data(self) -> Path:
        """What was evaluated on what; a run itself says so in its record."""
        return self.path / "data.json"

    @property
    def report(self) -> Path:
        """All of this as a page to read."""
        return self.path / "report.html"

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Save the metrics, by split."""
        write_json(self.metrics, metrics)

    def read_metrics(self) -> dict[str, dict[str, Any]]:
        """The metrics, by split."""
        metrics: dict[str, dict[str, Any]] = self._read(self.metrics)
        return metrics

    def write_predictions(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Save predictions as they come, without holding them all.

        Args:
            rows: ``{"split", "path", "true", "predicted", "probabilities"}`` and, where a label is
                unknown, ``"unknown"``; see `finetune.predict.prediction_rows`.
        """
        write_json_lines(self.predictions, rows)

    def read_predictions(self) -> Iterator[dict[str, Any]]:
        """Predictions, one at a time."""
        self._must_have(self.predictions)
        return read_json_lines(self.predictions)

    def write_reliability(self, reliability: Mapping[str, Any]) -> None:
        """Save, by split, ``before`` and ``after`` calibration."""
        write_json(self.reliability, reliability)

    def read_reliability(self) -> dict[str, dict[str, Any]]:
        """By split, ``before`` and ``after`` calibration."""
        found: dict[str, dict[str, Any]] = self._read(self.reliability)
        return found

    def write_label_errors(self, suspected: Mapping[str, Any]) -> None:
        """Save suspected labels."""
        write_json(self.label_errors, suspected)

    def read_label_errors(self) -> dict[str, Any]:
        """Suspected labels: ``images`` and ``classes``."""
        found: dict[str, Any] = self._read(self.label_errors)
        return found

    def write_tuning(self, report: Mapping[str, Any]) -> None:
        """Save what tuning gained."""
        write_json(self.tuning, report)

    def read_tuning(self) -> dict[str, Any] | None:
        """What tuning gained; None where nothing was tuned."""
        found: dict[str, Any] | None = read_json(self.tuning) if self.tuning.is_file() else None
        return found

    def write_azure(self, metrics: Mapping[str, Any]) -> None:
        """Save, by split, metrics under Azure's names."""
        write_json(self.path / "azure.json", metrics)

    def read_azure(self) -> dict[str, dict[str, Any]]:
        """By split, metrics under Azure's names."""
        found: dict[str, dict[str, Any]] = self._read(self.path / "azure.json")
        return found

    def write_data(self, said: Mapping[str, Any]) -> None:
        """Save what was evaluated on what."""
        write_json(self.data, said)

    def read_data(self) -> dict[str, Any]:
        """What was evaluated on what; a run itself says so in its record."""
        found: dict[str, Any] = self._read(self.data)
        return found

    def write_pictures(self, index: Mapping[str, Any]) -> None:
        """Save what the pictures show.

        Args:
            index: By split, ``kinds`` (by kind, the places of images in the split, the most telling first) and
                ``files`` (by place, the names of its pictures).
        """
        self.pictures.mkdir(exist_ok=True)
        write_json(self.pictures / "index.json", index)

    def read_pictures(self) -> dict[str, Any]:
        """What the pictures show; nothing where there are none."""
        file = self.pictures / "index.json"
        index: dict[str, Any] = read_json(file) if file.is_file() else {}
        return index

    def _read(self, file: Path) -> Any:
        self._must_have(file)
        return read_json(file)

    def _must_have(self, file: Path) -> None:
        if not file.is_file():
            raise RunFolderError(f"{self}: this run has no {file.name}")
