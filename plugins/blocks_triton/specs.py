"""Where the Triton kernels run: CUDA with 16- or 32-bit floats, or a CPU with Triton's interpreter."""

from __future__ import annotations

import os
from importlib.util import find_spec

from blocks import Component, Kernel, Target

DTYPES = frozenset({"float32", "float16", "bfloat16"})


def runs(target: Target, component: Component) -> bool:
    """Whether Triton is installed and can run on this device in this dtype."""
    interpreted = target.device == "cpu" and os.environ.get("TRITON_INTERPRET") == "1"
    return (
        find_spec("triton") is not None
        and (target.device == "cuda" or interpreted)
        and target.dtype in DTYPES
    )


def prefers(target: Target, component: Component) -> bool:
    """The interpreter is for tests: only CUDA is preferred."""
    return target.device == "cuda"


RMS_NORM = Kernel("blocks_triton.rms_norm.kernels:rms_norm", runs, prefers)
ADD_RMS_NORM = Kernel("blocks_triton.rms_norm.kernels:add_rms_norm", runs, prefers)
CAUSAL_CONV1D = Kernel("blocks_triton.causal_conv1d.kernels:causal_conv1d", runs, prefers)
