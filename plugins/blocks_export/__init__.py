"""Graphs of built models that run without Python: ONNX and torch's own PT2."""
