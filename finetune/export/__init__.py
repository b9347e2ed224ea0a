"""A run for other programs, in ``RUN/export``: an ONNX graph."""

from finetune.export.onnx_graph import OnnxExport, OnnxPrecision, export_onnx

__all__ = ["Exported", "OnnxExport", "OnnxPrecision", "export_onnx"]

Exported = OnnxExport
"""What was written; printed, it says where, and what a user should know of it."""
