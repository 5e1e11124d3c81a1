"""Norms are built as they are declared, and have as many parameters as they say."""

import pytest
from pydantic import ValidationError
from torch import nn

from blocks import Call, Norm
from blocks_norms.module import RMSNorm as RMSNormModule
from blocks_norms.module import UnitOffsetRMSNorm
from blocks_norms.specs import LayerNorm, RMSNorm


@pytest.mark.parametrize(
    ("norm", "call"),
    [
        (RMSNorm(eps=1e-6), Call("blocks_norms.module:RMSNorm", (8,), {"eps": 1e-6})),
        (RMSNorm(unit_offset=True), Call("blocks_norms.module:UnitOffsetRMSNorm", (8,), {"eps": 1e-5})),
        (LayerNorm(), Call("torch.nn:LayerNorm", (8,), {"eps": 1e-5})),
        (LayerNorm(bias=False), Call("torch.nn:LayerNorm", (8,), {"eps": 1e-5, "bias": False})),
    ],
)
def test_built_as_declared(norm: Norm, call: Call) -> None:
    assert norm.call(8) == call
    classes = {
        "blocks_norms.module:RMSNorm": RMSNormModule,
        "blocks_norms.module:UnitOffsetRMSNorm": UnitOffsetRMSNorm,
        "torch.nn:LayerNorm": nn.LayerNorm,
    }
    module = classes[call.target](*call.args, **call.kwargs)
    assert sum(p.numel() for p in module.parameters()) == norm.cost().parameters(8)
    assert module.eps == norm.eps  # type: ignore[attr-defined]


@pytest.mark.parametrize("eps", [0.0, -1e-5, float("inf"), "1e-5"])
def test_an_eps_that_cannot_be(eps: object) -> None:
    for kind in (RMSNorm, LayerNorm):
        with pytest.raises(ValidationError):
            kind(eps=eps)  # type: ignore[arg-type]


def test_ops_with_kernels() -> None:
    assert RMSNorm().all_ops() == ("rms_norm", "add_rms_norm")
    assert LayerNorm().all_ops() == ()
