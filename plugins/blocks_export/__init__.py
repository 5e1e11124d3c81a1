"""Graphs of built models that run without Python: ONNX and torch's own PT2."""

from blocks import Register, hookimpl


@hookimpl
def register_exporters(register: Register) -> None:
    """Programs with batch and length left open, checked against the model."""
    register(
        "onnx",
        "blocks_export.specs:ONNX",
        help="a graph for onnxruntime and others, checked against the model",
    )
    register("pt2", "blocks_export.specs:PT2", help="a program of torch.export, checked against the model")
