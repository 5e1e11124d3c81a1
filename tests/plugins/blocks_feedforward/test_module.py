"""Feed-forward networks against transformers' on shared weights."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode
from transformers import GPT2Config, LlamaConfig
from transformers.activations import ACT2FN
from transformers.models.bloom.modeling_bloom import bloom_gelu_forward
from transformers.models.gpt2.modeling_gpt2 import GPT2MLP
from transformers.models.llama.modeling_llama import LlamaMLP

from blocks_compiler.backends.runtime import init_weights
from blocks_feedforward.module import ACTIVATIONS, MLP, GatedMLP, LowRank


def test_gelu_tanh_mlp_is_gpt2s():
    theirs = GPT2MLP(64, GPT2Config(n_embd=16, resid_pdrop=0.0))
    ours = MLP(16, d_ff=64, activation="gelu_tanh", bias=True)
    with torch.no_grad():
        for linear, conv in ((ours.in_proj, theirs.c_fc), (ours.out_proj, theirs.c_proj)):
            linear.weight.copy_(conv.weight.T)
            linear.bias.copy_(conv.bias.normal_())
    x = torch.randn(2, 5, 16)
    torch.testing.assert_close(ours(x)[0], theirs(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["silu", "gelu", "relu"])
def test_gated_mlp_is_llamas(name):
    theirs = LlamaMLP(
        LlamaConfig(hidden_size=16, num_attention_heads=2, intermediate_size=40, hidden_act=name)
    )
    ours = GatedMLP(16, d_ff=40, activation=name)
    with torch.no_grad():
        ours.gate_up_proj.weight.copy_(torch.cat((theirs.gate_proj.weight, theirs.up_proj.weight)))
        ours.out_proj.weight.copy_(theirs.down_proj.weight)
    x = torch.randn(2, 5, 16)
    torch.testing.assert_close(ours(x)[0], theirs(x), rtol=1e-5, atol=1e-5)


def test_activations_are_what_their_names_say():
    x = torch.linspace(-3, 3, 31)
    expected = {
        "relu": x.clamp(min=0),
        "gelu": x * 0.5 * (1 + torch.erf(x / 2**0.5)),
        "gelu_tanh": 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))),
        "relu2": x.clamp(min=0) ** 2,
        "silu": x * torch.sigmoid(x),
    }
    assert expected.keys() == ACTIVATIONS.keys()
    for name, y in expected.items():
        torch.testing.assert_close(ACTIVATIONS[name](x), y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("gelu", ["gelu", "gelu_python"]),
        ("gelu_tanh", ["gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh", "gelu_python_tanh"]),
        ("silu", ["silu", "swish"]),
        ("relu", ["relu"]),
        ("relu2", ["relu2"]),
    ],
)
def test_activations_are_transformers_under_all_their_names(ours, theirs):
    x = torch.linspace(-12, 12, 1001, dtype=torch.float64)
    for name in theirs:
        torch.testing.assert_close(ACTIVATIONS[ours](x), ACT2FN[name](x), rtol=1e-7, atol=1e-9)
    # BLOOM's own is the tanh approximation, its constant cut off after eight digits
    same = torch.allclose(ACTIVATIONS[ours](x), bloom_gelu_forward(x), rtol=1e-6, atol=1e-7)
    assert same == (ours == "gelu_tanh")
    # and quick_gelu, x sigmoid(1.702 x), is none of them
    assert not torch.allclose(ACTIVATIONS[ours](x), ACT2FN["quick_gelu"](x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (3, 0)])
@pytest.mark.parametrize(("cls", "matrices"), [(MLP, 2), (GatedMLP, 3)])
def test_flops_parameters_and_absent_state(cls, matrices, shape):
    module = cls(8, d_ff=24)
    with FlopCounterMode(display=False) as counter:
        y, state = module(torch.randn(*shape, 8), None, torch.ones(shape, dtype=torch.bool))
    assert counter.get_total_flops() == 2 * matrices * 8 * 24 * shape[0] * shape[1]
    assert sum(p.numel() for p in module.parameters()) == matrices * 8 * 24
    assert y.shape == (*shape, 8)
    assert state is None


def test_bias_is_optional():
    assert MLP(4, d_ff=8, bias=True).in_proj.bias.shape == (8,)
    assert GatedMLP(4, d_ff=8, bias=True).gate_up_proj.bias.shape == (16,)
    assert MLP(4, d_ff=8).out_proj.bias is None


def test_relu2_is_a_squared_relu_between_the_maps():
    module = MLP(4, d_ff=8, activation="relu2")
    x = torch.randn(1, 3, 4)
    torch.testing.assert_close(
        module(x)[0], F.relu(x @ module.in_proj.weight.T) ** 2 @ module.out_proj.weight.T
    )


def test_a_low_rank_map_starts_at_zero_and_is_one_of_low_rank():
    module = LowRank(12, rank=3)
    init_weights(module, seed=1)
    x = torch.randn(2, 5, 12)
    y, state = module(x)
    assert state is None
    assert torch.equal(y, torch.zeros_like(x))
    assert module.down_proj.weight.std() > 0.01
    torch.nn.init.normal_(module.up_proj.weight)
    product = module.up_proj.weight @ module.down_proj.weight
    torch.testing.assert_close(module(x)[0], x @ product.T, rtol=1e-5, atol=1e-5)
    assert torch.linalg.matrix_rank(product).item() == 3


def test_a_low_rank_map_learns_from_its_start():
    module = LowRank(12, rank=3)
    init_weights(module, seed=1)
    module(torch.randn(2, 5, 12))[0].sum().backward()
    assert module.up_proj.weight.grad.abs().sum() > 0
    assert module.down_proj.weight.grad.abs().sum() == 0
