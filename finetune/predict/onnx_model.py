"""A model that was exported to ONNX, as a predictor: the same pixels, decisions and forms of images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from finetune.errors import CheckpointError
from finetune.extras import need_extra
from finetune.labels import LabelSpace
from finetune.model.decision import Decision
from finetune.model.task import Multiclass, Multilabel
from finetune.pixels import PixelPipeline
from finetune.predict.ensemble import logits_of
from finetune.predict.predictor import Predictor
from finetune.predict.scoring import Forward, Precision

GRAPH, SIDE = "model.onnx", "model.json"
INPUT, OUTPUT = "pixels", "scores"


class OnnxPredictor(Predictor):
    """Computes on the CPU with onnxruntime; temperature and softmax or sigmoid are within the graph.

    Args:
        folder: Where ``deit-finetune export RUN --to onnx`` wrote ``model.onnx`` and ``model.json``.
    Raises:
        CheckpointError: the folder holds no such model.
        HardwareError: onnxruntime is not installed.
    Attributes:
        tuned: The decision that the graph was made with, temperature included; ``decision`` has none, because the
            scores have it in them.
        graph_precision: fp32, fp16 or int8.
        model_type: ``onnx``; a graph does not say what it was.
    """

    model_type, inside = "onnx", None

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        need_extra("onnx", "onnxruntime")
        import onnxruntime

        try:
            said: dict[str, Any] = json.loads((folder / SIDE).read_text(encoding="utf-8"))
            self.labels = LabelSpace(tuple(said["labels"]))
            self.task = Multiclass() if said["task"] == Multiclass.name else Multilabel()
            pixels: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value for key, value in said["pixels"].items()
            }
            self.pixels = PixelPipeline(**pixels)
            self.threshold, self.flip = float(said["threshold"]), bool(said["flip"])
            self.graph_precision = str(said["precision"])
            self.tuned = decision_of(said["decision"])
        except FileNotFoundError as error:
            raise CheckpointError(
                f"{folder}: holds no {error.filename and Path(error.filename).name}; {_AGAIN}"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{folder / SIDE}: cannot be read ({type(error).__name__}: {error}); {_AGAIN}"
            ) from error
        self.decision = Decision(None, self.tuned.thresholds, self.tuned.abstain_below)
        self.device = torch.device("cpu")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors; it warns of graph optimisations that nobody asked for
        try:
            self._session = onnxruntime.InferenceSession(folder / GRAPH, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own exceptions have no common base
            raise CheckpointError(f"{folder / GRAPH}: onnxruntime cannot load it ({error}); {_AGAIN}") from error

    @contextmanager
    def forward(self, *, precision: Precision = "fp32", flip: bool | None = None) -> Iterator[Forward]:
        """As of `Predictor.forward`: float64 logits, which softmax or sigmoid turns into the graph's scores.

        Raises:
            CheckpointError: another precision or another flip is asked for than the graph has in it.
        """
        if precision != "fp32":
            raise CheckpointError(
                f"precision {precision}: an ONNX model computes in {self.graph_precision}, as it was exported; leave "
                "the precision out, or export it again with --precision"
            )
        if flip not in (None, self.flip):
            raise CheckpointError(
                f"flip: this ONNX model was exported {'with' if self.flip else 'without'} it, and it is part of the "
                "graph; leave flip out, or predict without --runtime onnx"
            )

        def forward(batch: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(logits_of(self.task.name, self.scores(batch.numpy())))

        yield forward

    def scores(self, pixels: np.ndarray) -> np.ndarray:
        """(images, classes) float32 probabilities of (images, 3, height, width) uint8."""
        (scores,) = self._session.run([OUTPUT], {INPUT: pixels})
        return np.asarray(scores)


def decision_of(said: dict[str, Any]) -> Decision:
    """The decision in a ``model.json``."""

    def numbers(key: str) -> tuple[float, ...] | None:
        return None if said[key] is None else tuple(map(float, said[key]))

    return Decision(numbers("temperature"), numbers("thresholds"), said["abstain_below"])


_AGAIN = "write it by deit-finetune export RUN --to onnx"
