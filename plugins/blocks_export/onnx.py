"""`blocks export --to onnx`: a graph for onnxruntime and others, translated from torch.export's."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from blocks import BuildError
from blocks.exporter import Exporting
from blocks_export.program import Whole, check, refused, trace

LIBRARIES = ("onnx", "onnxscript", "onnxruntime")
ONE_FILE = 2 * 10**9 - 10**8
"""Bytes of weights that go into the graph's own file, which may have 2 GiB; more stand in a file beside it."""


def write(exporting: Exporting, folder: Path) -> Iterator[str]:
    """Write model.onnx, and model.onnx.data beside it where the weights are large.

    Raises BuildError where a library is missing, the model is refused, or what was made is something else.
    """
    for name in LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise BuildError.of(
                "B0806", f"exporting to onnx needs {name}: {error}", help="pip install 'blocks-dsl[onnx]'"
            ) from None
    exporting.step("trace the model")
    whole, program = trace(exporting)
    exporting.step("translate the graph")
    path = folder / "model.onnx"
    with quiet():
        try:
            translated = translate(whole, program)
        except Exception as error:
            raise refused(exporting, "torch.onnx", _cause(error)) from error
        size = sum(t.nbytes for t in (*exporting.model.parameters(), *exporting.model.buffers()))
        translated.save(str(path), external_data=size > ONE_FILE)
    exporting.step("check with onnxruntime")
    yield from whole.given.described()
    yield check(exporting, whole, runner(exporting, whole, path), "onnxruntime")


def translate(whole: Whole, program: ExportedProgram) -> Any:
    """The program as torch.onnx.export makes it, with a translation for what it lacks."""
    shapes = {
        argument.name: {at: axis for at, axis in enumerate(argument.axes) if isinstance(axis, str)}
        for argument in whole.given.inputs
    }
    with torch.no_grad():  # with gradients on, it differentiates scans and stumbles over the result
        return torch.onnx.export(
            program,
            dynamo=True,
            verbose=False,
            input_names=list(shapes),
            output_names=list(whole.given.outputs),
            dynamic_shapes=shapes,  # names of the axes
            custom_translation_table={
                torch.ops.aten.scaled_dot_product_attention.default: attention,
                torch.ops.aten.sort.stable: sort_stable,
            },
        )


def attention(query: Any, key: Any, value: Any, attn_mask: Any = None, *args: Any, **options: Any) -> Any:
    """aten::scaled_dot_product_attention, where a query that sees no key gives zeros, as in torch, and not NaN."""
    from onnxscript import opset18 as op
    from onnxscript.function_libs.torch_lib.ops.nn import aten_scaled_dot_product_attention

    y = aten_scaled_dot_product_attention(query, key, value, attn_mask, *args, **options)
    return y if attn_mask is None else op.Where(op.IsNaN(y), op.CastLike(0.0, y), y)


def sort_stable(self: Any, stable: bool = True, dim: int = -1, descending: bool = False) -> Any:
    """aten::sort.stable: TopK of all, which puts equal values in the order of their places."""
    from onnx_ir import DataType
    from onnxscript import opset18 as op

    count = op.Shape(self, start=dim) if dim == -1 else op.Shape(self, start=dim, end=dim + 1)
    keys = op.Cast(self, to=DataType.INT64) if self.dtype == DataType.BOOL else self
    values, places = op.TopK(keys, count, axis=dim, largest=int(descending), sorted=1)
    return op.CastLike(values, self), places


def runner(exporting: Exporting, whole: Whole, path: Path) -> Any:
    """Calls what was written with onnxruntime, on the CPU. Raises BuildError where it cannot be read."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise refused(exporting, "onnxruntime", error) from error

    def run(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        given = {name: value.numpy() for name, value in inputs.items()}
        return [torch.from_numpy(value) for value in session.run(list(whole.given.outputs), given)]

    return run


@contextmanager
def quiet() -> Iterator[None]:
    """No notes of the translator about libraries that no model of ours needs."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.filterwarnings(
                "ignore", "# The axis name", UserWarning
            )  # one name for several axes is meant
            yield
    finally:
        logger.setLevel(level)


def _cause(error: BaseException) -> Exception:
    """The first of a chain of errors, which says what was wrong."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error if isinstance(error, Exception) else Exception(str(error))
