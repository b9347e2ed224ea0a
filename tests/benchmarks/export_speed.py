"""Images per second of PyTorch and of ONNX graphs on one core, batches of 16, and the sizes of the files.

OMP_NUM_THREADS=1 python tests/benchmarks/export_speed.py
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from transformers import DeiTConfig, DeiTForImageClassification

from finetune.export import onnx_graph
from finetune.model import save_model
from finetune.model.nano import bundled_checkpoint
from finetune.model.saved import open_saved
from finetune.pixels import PixelPipeline
from finetune.predict import Predictor
from finetune.predict.onnx_model import GRAPH, SIDE, OnnxPredictor
from finetune.run_folder.json_files import write_json

BATCH, SECONDS = 16, 3.0


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shape = {"hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768, "num_labels": 4}
    pixels = PixelPipeline("shortest_edge", 256, 224, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "tiny"
        config = DeiTConfig(**shape, problem_type="single_label_classification")
        save_model(DeiTForImageClassification(config), pixels, folder)
        nano = open_saved(bundled_checkpoint("deit-nano"))
        nano.model.config.problem_type = "single_label_classification"
        for name, predictor in (
            ("DeiT-tiny", Predictor(folder, device="cpu")),
            ("deit-nano", Predictor(nano, device="cpu")),
        ):
            measure(name, predictor, Path(scratch))


def measure(name: str, predictor: Predictor, scratch: Path) -> None:
    size = predictor.pixels.size_px
    batch = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (BATCH, 3, size, size), dtype=np.uint8))
    weights_mb = sum(p.numel() * 4 for p in predictor.model.parameters()) / 2**20
    report(name, size, "PyTorch fp32", predictor, batch, weights_mb)
    for precision in ("fp32", "fp16", "int8"):
        onnx_graph._write_graph(predictor, scratch / GRAPH, precision)
        write_json(scratch / SIDE, onnx_graph._said(predictor, precision))
        size_mb = (scratch / GRAPH).stat().st_size / 2**20
        report(name, size, f"ONNX {precision}", OnnxPredictor(scratch), batch, size_mb)


def report(name: str, size: int, what: str, predictor: Predictor, batch: torch.Tensor, size_mb: float) -> None:
    with predictor.forward() as forward:
        forward(batch)
        began, done = time.perf_counter(), 0
        while time.perf_counter() - began < SECONDS:
            forward(batch)
            done += len(batch)
        print(
            f"{name} {size} px, {what}: {done / (time.perf_counter() - began):.1f} images/s, {size_mb:.1f} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()
