"""A run's model as one ONNX graph, accepted only where it says what PyTorch says."""

from __future__ import annotations

import dataclasses
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch

from finetune.export.agreement import Agreement, Limits, agreement, samples_of
from finetune.export.replacing import replacing
from finetune.extras import need_extra
from finetune.metrics.definitions import MULTICLASS
from finetune.predict import Predictor
from finetune.predict.onnx_model import GRAPH, INPUT, OUTPUT, SIDE, OnnxPredictor
from finetune.run_folder import RunFolder
from finetune.run_folder.json_files import write_json

OnnxPrecision = Literal["fp32", "fp16", "int8"]


LIMITS: dict[OnnxPrecision, Limits] = {
    "fp32": Limits(1e-5, 0.99),
    "fp16": Limits(1e-2, 0.99),
    "int8": Limits(2e-1, 0.95),
}


@dataclass(frozen=True)
class OnnxExport:
    """What was written, and how it compares with PyTorch."""

    folder: Path
    precision: OnnxPrecision
    agreement: Agreement

    def __str__(self) -> str:
        size_mb = (self.folder / GRAPH).stat().st_size / 2**20
        return f"{self.folder / GRAPH} ({self.precision}, {size_mb:.1f} MB)\n{self.agreement}"


def export_onnx(run: RunFolder, precision: OnnxPrecision = "fp32") -> OnnxExport:
    """Write ``export/onnx/model.onnx`` and ``model.json`` of a run, in the place of an earlier one.

    The graph takes (images, 3, height, width) uint8, as the pipeline resizes and crops them, and gives (images,
    classes) float32 probabilities: it normalises, takes the mean of two heads' logits and of a mirror image's where
    the run does so, divides by the model's temperature, and ends in softmax or sigmoid.

    Args:
        precision: ``fp16`` halves the file; ``int8`` stores the weights of linear layers in 8 bits, and computes with
            activations that are rounded as they come.
    Raises:
        CheckpointError: the graph differs from PyTorch by more than `LIMITS`; an earlier export stays.
        HardwareError: a package is missing.
    """
    need_extra("onnx", "onnx", "onnxscript", "onnxruntime")
    evaluate = run.read_recipe().evaluate
    predictor = Predictor(run.model, threshold=evaluate.threshold, flip=evaluate.flip, device="cpu")
    images = samples_of(run)
    target = run.exports / "onnx"
    with replacing(target) as fresh:
        _write_graph(predictor, fresh / GRAPH, precision)
        write_json(fresh / SIDE, _said(predictor, precision))
        found = agreement(predictor, OnnxPredictor(fresh), images)
        LIMITS[precision].hold(found, f"{run}: the {precision} graph", _advice(precision))
        write_json(fresh / SIDE, {**_said(predictor, precision), "checked": dataclasses.asdict(found)})
    return OnnxExport(target, precision, found)


def _advice(precision: OnnxPrecision) -> str:
    return "this is a fault of the exporter, please report it" if precision == "fp32" else "take --precision fp32"


class _Scores(torch.nn.Module):
    """uint8 pixels to probabilities, as `Predictor` computes them."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.temperature: torch.Tensor
        self.model, self.flip, self.softmax = predictor.model, predictor.flip, predictor.task.name == MULTICLASS
        for name, values in (
            ("mean", predictor.pixels.mean),
            ("std", predictor.pixels.std),
        ):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1))
        self.register_buffer("temperature", torch.tensor(predictor.decision.temperature or (1.0,)))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        values = (pixels.to(torch.float32) / 255.0 - self.mean) / self.std
        logits = self.model(pixel_values=values).logits
        if self.flip:
            logits = (logits + self.model(pixel_values=values.flip(-1)).logits) / 2
        logits = logits / self.temperature
        scores: torch.Tensor = logits.softmax(-1) if self.softmax else logits.sigmoid()
        return scores


def _write_graph(predictor: Predictor, file: Path, precision: OnnxPrecision) -> None:
    import onnx

    example = torch.zeros((2, 3, predictor.pixels.size_px, predictor.pixels.size_px), dtype=torch.uint8)
    with _quiet():
        torch.onnx.export(
            _Scores(predictor).eval(),
            (example,),
            file,
            dynamo=True,
            external_data=False,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes={"pixels": {0: torch.export.Dim("images", min=1, max=65_536)}},
            verbose=False,
        )
        _forget_where_it_was_made(file)
        if precision == "fp16":
            from onnxruntime.transformers.float16 import convert_float_to_float16

            onnx.save(convert_float_to_float16(onnx.load(file), keep_io_types=True), file)
        elif precision == "int8":
            from onnxruntime.quantization import QuantType, quantize_dynamic

            rounded = file.with_name("rounded.onnx")
            quantize_dynamic(
                file, rounded, weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul", "Gemm"]
            )
            rounded.replace(file)


def _forget_where_it_was_made(file: Path) -> None:
    """The exporter writes a stack trace to every node, with the paths of the user's machine; it serves nobody else."""
    import onnx

    graph = onnx.load(file)
    for part in (graph, graph.graph, *graph.graph.node, *graph.graph.value_info, *graph.functions):
        del part.metadata_props[:]
    for function in graph.functions:
        for node in function.node:
            del node.metadata_props[:]
    onnx.save(graph, file)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' talk of torchvision, of preprocessing and of their own old functions."""
    names = ("torch.onnx._internal.exporter._registration", "onnxscript", "onnx_ir", "root")
    loggers = [logging.getLogger(None if name == "root" else name) for name in names]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)


def _said(predictor: Predictor, precision: OnnxPrecision) -> dict[str, Any]:
    """All that is needed to predict with the graph, for this project and any other program."""
    side = predictor.pixels.size_px
    return {
        "task": predictor.task.name,
        "labels": list(predictor.labels.names),
        "input": {"name": INPUT, "type": "uint8", "shape": ["images", 3, side, side], "channels": "RGB"},
        "output": {"name": OUTPUT, "type": "float32", "shape": ["images", len(predictor.labels)]},
        "pixels": dataclasses.asdict(predictor.pixels),
        "inside_the_graph": [
            "scale by 1/255",
            "normalise",
            *(["mean with the mirror image"] if predictor.flip else []),
            "temperature",
            "softmax" if predictor.task.name == MULTICLASS else "sigmoid",
        ],
        "decision": dataclasses.asdict(predictor.decision),
        "threshold": predictor.threshold,
        "flip": predictor.flip,
        "precision": precision,
        "versions": {name: version(name) for name in ("torch", "transformers", "onnx", "onnxscript", "onnxruntime")},
    }
