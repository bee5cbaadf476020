"""Exact graph rewrites and int8 quantization of ONNX models. Needs ``onnx``."""
