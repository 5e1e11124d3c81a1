"""Declarations of the objectives, and of the op that they share."""

from __future__ import annotations

from blocks import Component, Kernel, Target

DTYPES = frozenset({"float64", "float32", "bfloat16", "float16"})


def _runs(target: Target, component: Component) -> bool:
    """On devices whose products of 16-bit floats can be summed in 32 bits, or are made of 32-bit ones."""
    return target.device in ("cpu", "cuda", "meta") and target.dtype in DTYPES


LINEAR_CROSS_ENTROPY = Kernel("blocks_train.objectives.kernels:linear_cross_entropy")
CHUNKED = Kernel("blocks_train.objectives.chunked:linear_cross_entropy", _runs)
