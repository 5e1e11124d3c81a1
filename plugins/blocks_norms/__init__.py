"""Normalisation: RMSNorm and LayerNorm."""

from blocks import Register, hookimpl


@hookimpl
def register_norms(register: Register) -> None:
    """Norms over the channels of one token."""
    register("rmsnorm", "blocks_norms.specs:RMSNorm", help="x / rms(x), scaled")
    register("layernorm", "blocks_norms.specs:LayerNorm", help="(x - mean) / std, scaled and shifted")


@hookimpl
def register_kernels(register: Register) -> None:
    """The references in plain torch."""
    register("rms_norm/reference", "blocks_norms.specs:RMS_NORM", help="plain torch")
    register("add_rms_norm/reference", "blocks_norms.specs:ADD_RMS_NORM", help="plain torch")
