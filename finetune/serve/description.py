"""What is served, and the limits, as ``/model`` says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finetune.predict import Ensemble, Predictor, looks
from finetune.predict.onnx_model import OnnxPredictor
from finetune.recipe.sections import Serve
from finetune.serve.service import Service


def description(service: Service, options: Serve) -> dict[str, Any]:
    """JSON's values."""
    predictor = service.predictor
    alone = predictor.members if isinstance(predictor, Ensemble) else [predictor]
    return {
        "run": Path(options.run).resolve().name,
        "runtime": options.runtime,
        "model_type": predictor.model_type,
        "models": len(alone),
        "task": predictor.task.name,
        "activation": "softmax" if predictor.task.name == "multiclass" else "sigmoid",
        "labels": list(predictor.labels.names),
        "calibrated": all(member.decision.temperature is not None for member in alone),
        "image_size_px": predictor.pixels.size_px,
        "attention": has_attention(predictor),
        "device": str(predictor.device),
        "precision": predictor.graph_precision if isinstance(predictor, OnnxPredictor) else options.precision,
        "batch_size": service.batches.batch_size,
        "limits": {
            "max_body_mb": options.max_body_mb,
            "max_images": options.max_images,
            "max_pixels": options.max_pixels,
            "max_queue": options.max_queue,
            "timeout_s": options.timeout_s,
            "allow_urls": options.allow_urls,
        },
    }


def has_attention(predictor: Predictor) -> bool:
    return predictor.inside is not None and looks(predictor.inside.model)


def why_no_attention(predictor: Predictor) -> str:
    if predictor.inside is None:
        return "an ONNX graph has no attention to show; serve the run without --runtime onnx"
    return f"a model of type {predictor.model_type} has no attention to show"
