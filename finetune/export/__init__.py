"""A run for other programs, in ``RUN/export``: an ONNX graph."""

from finetune.export.onnx_graph import OnnxExport, OnnxPrecision, export_onnx

__all__ = ["OnnxExport", "OnnxPrecision", "export_onnx"]
