"""Cross attention against torch's and T5's, on shared weights; the memory is projected once."""

import pytest
import torch
from torch import nn
from transformers import T5Config
from transformers.models.t5.modeling_t5 import T5Attention

from blocks_attention.cross import CrossAttention

D, M, P = 32, 24, 8


def close(actual, expected, tolerance=1e-5):
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def make(dtype=torch.float64, **options):
    torch.manual_seed(0)
    sizes = {"n_heads": 4, "n_kv_heads": 2, "head_dim": P, "memory_width": M, **options}
    return CrossAttention(D, **sizes).to(dtype)


def memory(batch=3, tokens=11, dtype=torch.float64):
    mask = torch.arange(tokens) < torch.tensor([[tokens], [4], [1]])[:batch]
    return torch.randn(batch, tokens, M, dtype=dtype), mask


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_torchs(dtype):
    theirs = nn.MultiheadAttention(D, 4, kdim=M, vdim=M, batch_first=True).to(dtype)
    ours = make(dtype, n_kv_heads=4, qkv_bias=True, out_bias=True)
    parts = (theirs.q_proj_weight, theirs.k_proj_weight, theirs.v_proj_weight)
    for part in (*parts, theirs.in_proj_bias, theirs.out_proj.bias):
        part.normal_(std=0.4)
    ours.q_proj.weight.copy_(parts[0])
    ours.kv_proj.weight.copy_(torch.cat(parts[1:]))
    ours.q_proj.bias.copy_(theirs.in_proj_bias[:D])
    ours.kv_proj.bias.copy_(theirs.in_proj_bias[D:])
    ours.out_proj.load_state_dict(theirs.out_proj.state_dict())
    x, (values, mask) = torch.randn(3, 7, D, dtype=dtype), memory(dtype=dtype)
    for real in (None, mask):
        padding = None if real is None else ~real
        expected, _ = theirs(x, values, values, key_padding_mask=padding, need_weights=False)
        close(ours(x, memory=(values, real))[0], expected, 1e-5 if dtype == torch.float32 else 1e-12)


@torch.no_grad()
def test_without_scale_it_is_t5s():
    config = T5Config(
        d_model=D, d_kv=P, num_heads=4, dropout_rate=0.0, is_decoder=True, attn_implementation="eager"
    )
    theirs = T5Attention(config, layer_idx=0).eval()
    ours = make(torch.float32, n_kv_heads=4, memory_width=D, score_scale=1.0)
    for name in "qkvo":
        getattr(theirs, name).weight.normal_(std=0.25)
    ours.q_proj.weight.copy_(theirs.q.weight)
    ours.kv_proj.weight.copy_(torch.cat((theirs.k.weight, theirs.v.weight)))
    ours.out_proj.weight.copy_(theirs.o.weight)
    x, values = torch.randn(3, 7, D), torch.randn(3, 11, D)
    _, mask = memory()
    additive = torch.zeros(3, 1, 1, 11).masked_fill(~mask[:, None, None], torch.finfo(torch.float32).min)
    expected = theirs(x, mask=additive, key_value_states=values)[0]
    close(ours(x, memory=(values, mask))[0], expected)


@torch.no_grad()
@pytest.mark.parametrize("over", ["head", "projection"])
@pytest.mark.parametrize("cap", [None, 0.6])
def test_grouped_heads_norms_and_caps_are_the_definition(cap, over):
    apart = over == "head"
    norms = {"q_norm": nn.RMSNorm(P if apart else 4 * P), "k_norm": nn.RMSNorm(P if apart else 2 * P)}
    module = make(score_cap=cap, score_scale=0.9, norm_over=over, **norms)
    norms["q_norm"].weight.normal_(1, 0.3)
    norms["k_norm"].weight.normal_(1, 0.3)
    x, (values, mask) = torch.randn(3, 5, D, dtype=torch.float64), memory()
    y = torch.zeros(3, 5, 4, P, dtype=torch.float64)
    for row in range(3):
        q_all = module.q_proj(x[row])
        k, v = module.kv_proj(values[row, mask[row]]).split(2 * P, dim=-1)
        if not apart:
            q_all, k = module.q_norm(q_all), module.k_norm(k)
        for h in range(4):
            group = slice(h // 2 * P, (h // 2 + 1) * P)
            q_h, k_h = q_all[:, h * P : (h + 1) * P], k[:, group]
            if apart:
                q_h, k_h = module.q_norm(q_h), module.k_norm(k_h)
            scores = 0.9 * q_h @ k_h.T
            scores = scores if cap is None else cap * torch.tanh(scores / cap)
            y[row, :, h] = torch.softmax(scores, dim=-1) @ v[:, group]
    close(module(x, memory=(values, mask))[0], module.out_proj(y.flatten(2)), 1e-12)


def test_the_state_is_the_projected_memory_and_is_handed_on():
    module, x, (values, mask) = make(), torch.randn(3, 6, D, dtype=torch.float64), memory()
    whole, state = module(x, memory=(values, mask))
    assert state.keys.shape == state.values.shape == (3, 2, 11, P)
    assert state.mask is mask
    first, kept = module(x[:, :2], memory=(values, mask))
    rest, last = module(x[:, 2:], kept)
    assert last is kept
    close(torch.cat((first, rest), dim=1), whole, 1e-12)


def test_without_memory_and_state_it_refuses():
    with pytest.raises(ValueError, match="needs a memory on the first call"):
        make()(torch.randn(1, 2, D, dtype=torch.float64))


def test_a_memory_of_padding_alone_gives_zeros_and_finite_gradients():
    for cap in (None, 1.0):
        module, (values, _) = make(score_cap=cap), memory()
        values.requires_grad_()
        x = torch.randn(3, 4, D, dtype=torch.float64, requires_grad=True)
        y, _ = module(x, memory=(values, torch.zeros(3, 11, dtype=torch.bool)))
        assert not y.any()
        y.sum().backward()
        assert x.grad.isfinite().all()
        assert values.grad.isfinite().all()


@torch.no_grad()
def test_exports_with_dynamic_batch_and_lengths():
    module = make(torch.float32)
    B, T, S = (torch.export.Dim(name) for name in "BTS")
    given = {"memory": (torch.randn(2, 5, M), torch.ones(2, 5, dtype=torch.bool))}
    shapes = {"x": {0: B, 1: T}, "memory": ({0: B, 1: S}, {0: B, 1: S})}
    exported = torch.export.export(module, (torch.randn(2, 6, D),), given, dynamic_shapes=shapes).module()
    for tokens in (1, 9):
        x, (values, mask) = torch.randn(3, tokens, D), memory(dtype=torch.float32)
        (y, state), (z, expected) = (m(x, memory=(values, mask)) for m in (exported, module))
        close(y, z)
        close(state.keys, expected.keys)


@torch.no_grad()
def test_compiles_into_one_graph():
    module = make(torch.float32)
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    x, (values, mask) = torch.randn(3, 6, D), memory(dtype=torch.float32)
    y, state = compiled(x[:, :4], memory=(values, mask))
    rest, _ = compiled(x[:, 4:], state)
    close(torch.cat((y, rest), dim=1), module(x, memory=(values, mask))[0])
