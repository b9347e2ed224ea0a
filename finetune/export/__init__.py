"""A run for other programs, in ``RUN/export``: an ONNX graph, an MLflow model."""

from finetune.export.mlflow_folder import MlflowExport, export_mlflow
from finetune.export.onnx_graph import OnnxExport, OnnxPrecision, export_onnx

__all__ = ["Exported", "MlflowExport", "OnnxExport", "OnnxPrecision", "export_mlflow", "export_onnx"]

Exported = MlflowExport | OnnxExport
"""What was written; printed, it says where, and what a user should know of it."""
