"""Triton kernels: alternatives to the references in plain torch."""

from blocks import Register, hookimpl


@hookimpl
def register_kernels(register: Register) -> None:
    """Kernels for CUDA devices; on a CPU they run in Triton's interpreter, for tests."""
    register("rms_norm/triton", "blocks_triton.specs:RMS_NORM", help="one pass forward, one backward")
    register(
        "add_rms_norm/triton", "blocks_triton.specs:ADD_RMS_NORM", help="residual add and norm in one pass"
    )
    register(
        "causal_conv1d/triton", "blocks_triton.specs:CAUSAL_CONV1D", help="depthwise convolution and SiLU"
    )
