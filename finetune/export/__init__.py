"""A run for other programs, in ``RUN/export``: an ONNX graph, an MLflow model, a model repository of the Hub."""

from finetune.export.hub import HubExport, export_hub
from finetune.export.mlflow_folder import MlflowExport, export_mlflow
from finetune.export.onnx_graph import OnnxExport, OnnxPrecision, export_onnx

__all__ = [
    "Exported",
    "HubExport",
    "MlflowExport",
    "OnnxExport",
    "OnnxPrecision",
    "export_hub",
    "export_mlflow",
    "export_onnx",
]

Exported = HubExport | MlflowExport | OnnxExport
"""What was written; printed, it says where, and what a user should know of it."""
