"""The parts every generated model is made of."""

import pytest
import torch
from torch import nn

from blocks_compiler.backends.runtime import FusedBlock, PlainBlock, PostNormBlock, PreNormBlock, init_weights
from blocks_norms.module import RMSNorm


class Double(nn.Module):
    """A mixer that doubles, and counts its calls in its state."""

    def forward(self, x, state=None, mask=None):
        return 2 * x, (state or 0) + 1


class Add(nn.Module):
    def forward(self, x):
        return x + 1


@pytest.mark.parametrize(
    ("block", "wanted"), [(PreNormBlock, 1 + 2 * 2), (PostNormBlock, 1 + 2 + 1), (PlainBlock, 2 * 2)]
)
def test_residuals(block, wanted):
    y, state = block(Add(), Double())(torch.ones(1, 1, 1), 4)
    assert y.item() == wanted
    assert state == 5


def test_a_fused_block_leaves_its_sum_to_the_next_norm():
    torch.manual_seed(0)
    norms = [RMSNorm(8) for _ in range(2)]
    for norm in norms:
        nn.init.normal_(norm.weight)
    x = torch.randn(2, 3, 8)
    plain = x
    for norm in norms:
        plain, _ = PreNormBlock(norm, Double())(plain)
    stream, update = x, None
    for norm in norms:
        stream, update, _ = FusedBlock(norm, Double())(stream, update)
    torch.testing.assert_close(stream + update, plain)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 64)
        self.layers = nn.ModuleList(nn.ModuleDict({"out_proj": nn.Linear(64, 64)}) for _ in range(4))
        self.norm = nn.LayerNorm(64)


def test_standard_deviations_are_those_of_gpt2():
    model = Model()
    init_weights(model, 0)
    assert model.embed.weight.std().item() == pytest.approx(0.02, rel=0.05)
    for layer in model.layers:
        assert layer["out_proj"].weight.std().item() == pytest.approx(0.01, rel=0.05)  # 0.02 / sqrt(4)
        assert not layer["out_proj"].bias.any()
    assert torch.equal(model.norm.weight, torch.ones(64))


def test_each_module_draws_from_its_path():
    model, other = Model(), Model()
    init_weights(model, 0)
    del other.layers[2:]
    init_weights(other, 0)
    assert torch.equal(model.embed.weight, other.embed.weight)
    drawn = [layer["out_proj"].weight for layer in model.layers]
    assert not torch.equal(drawn[0], drawn[1])


def test_weights_that_nothing_starts_are_an_error():
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.empty(3))

    with pytest.raises(TypeError, match=r"Bare at 'bare' needs a method init_weights\(generator\)"):
        init_weights(nn.ModuleDict({"bare": Bare()}))
