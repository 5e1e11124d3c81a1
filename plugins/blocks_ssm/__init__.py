"""Selective state spaces: Mamba and Mamba-2."""

from blocks import Register, hookimpl


@hookimpl
def register_mixers(register: Register) -> None:
    """Mixers with a state of fixed size."""
    register("mamba", "blocks_ssm.specs:Mamba", help="selective state space, one state a channel")
    register("mamba2", "blocks_ssm.specs:Mamba2", help="structured state-space duality, one decay a head")


@hookimpl
def register_kernels(register: Register) -> None:
    """The references in plain torch."""
    register("causal_conv1d/reference", "blocks_ssm.specs:CAUSAL_CONV1D", help="plain torch")
    register("selective_scan/reference", "blocks_ssm.specs:SELECTIVE_SCAN", help="plain torch, in chunks")
    register("ssd_scan/reference", "blocks_ssm.specs:SSD_SCAN", help="plain torch, in chunks")
