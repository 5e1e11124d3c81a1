"""Norms, positions, scales and caps in every kind of self-attention: as written out, as transformers has them."""

import itertools

import pytest
import torch
from torch import nn
from transformers import Gemma2Config, Olmo2Config, Qwen3Config, T5Config
from transformers.models.gemma2.modeling_gemma2 import Gemma2Attention, Gemma2RotaryEmbedding
from transformers.models.olmo2.modeling_olmo2 import Olmo2Attention, Olmo2RotaryEmbedding
from transformers.models.qwen3.modeling_qwen3 import Qwen3Attention, Qwen3RotaryEmbedding
from transformers.models.t5.modeling_t5 import T5Attention

from blocks_attention.local import LocalAttention
from blocks_attention.module import Attention
from blocks_attention.sinks import SinkAttention
from blocks_attention.window import SlidingWindowAttention
from blocks_positions.module import RoPE
from blocks_positions.scores import RelativePositions

D, P, W = 32, 8, 4
KINDS = {
    "full": (Attention, {}, lambda t, j: j <= t),
    "both": (Attention, {"causal": False}, lambda t, j: True),
    "window": (SlidingWindowAttention, {"window": W}, lambda t, j: 0 <= t - j < W),
    "sinks": (SinkAttention, {"window": W, "global_tokens": 3}, lambda t, j: j <= t and (t - j < W or j < 3)),
    "local": (LocalAttention, {"window": W}, lambda t, j: abs(t - j) < W),
    "global": (
        LocalAttention,
        {"window": W, "global_tokens": 2},
        lambda t, j: abs(t - j) < W or min(t, j) < 2,
    ),
}
OPTIONS = ("plain", "rope", "norm", "norms", "scale", "cap", "bias", "infused", "all")
CACHED = ("full", "window", "sinks")


@pytest.fixture
def make(distances, waves):
    """A module of one kind with one option, in fp64, and which places see which."""

    def made(kind, option, dtype=torch.float64, n_kv_heads=2):
        torch.manual_seed(0)
        cls, given, sees = KINDS[kind]
        more = {
            "plain": {},
            "rope": {"position": RoPE(P)},
            "norm": {"q_norm": nn.RMSNorm(P), "k_norm": nn.LayerNorm(P)},
            "norms": {
                "q_norm": nn.RMSNorm(4 * P), "k_norm": nn.LayerNorm(n_kv_heads * P), "norm_over": "projection",
                "position": RoPE(P),
            },
            "scale": {"score_scale": 0.8},
            "cap": {"score_cap": 0.7},
            "bias": {"position": distances(4), "position_at": "scores"},
            "infused": {"position": waves(D), "position_at": "stream", "qkv_bias": True},
            "all": {
                "position": distances(4), "position_at": "scores", "score_cap": 0.7, "score_scale": 0.8,
                "q_norm": nn.RMSNorm(P), "k_norm": nn.RMSNorm(P),
            },
        }[option]  # fmt: skip
        sizes = {"n_heads": 4, "n_kv_heads": n_kv_heads, "head_dim": P}
        module = cls(D, **sizes, **given, **more).to(dtype)
        with torch.no_grad():
            module.qkv_proj.weight.mul_(3)
            for norm in filter(None, (module.q_norm, module.k_norm)):
                norm.weight.normal_(1, 0.3)
        return module, sees

    return made


def close(actual, expected, tolerance=1e-12):
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


@torch.no_grad()
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_length_is_the_definition(make, definition, kind, option):
    module, sees = make(kind, option)
    for T in (0, 1, 3, 9, 15, 24, 37):
        x = torch.randn(2, T, D, dtype=torch.float64)
        close(module(x)[0], definition(module, x, sees))


@torch.no_grad()
@pytest.mark.parametrize("option", ["rope", "bias", "infused", "all"])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_anywhere_is_the_definition(make, definition, kind, option):
    module, sees = make(kind, option, n_kv_heads=1)
    for T in (2, 9, 37):
        x = torch.randn(4, T, D, dtype=torch.float64)
        mask = torch.rand(4, T) < torch.tensor([[0.2], [0.6], [0.9], [1.0]])
        close(module(x, None, mask)[0][mask], definition(module, x, sees, mask)[mask])


@torch.no_grad()
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", CACHED)
def test_pieces_and_steps_are_the_whole(make, kind, option):
    module, _ = make(kind, option, n_kv_heads=1)
    x = torch.randn(3, 43, D, dtype=torch.float64)
    padded = torch.rand(3, 43) < 0.7
    for mask in (None, padded):
        whole, last = module(x, None, mask)
        for cuts in ((1,), (20,), (3, 40), (2, 4, 8, 16, 32), range(1, 43)):
            ys, state = [], None
            for start, end in itertools.pairwise((0, *cuts, 43)):
                y, state = module(x[:, start:end], state, None if mask is None else mask[:, start:end])
                ys.append(y)
            real = slice(None) if mask is None else mask
            close(torch.cat(ys, dim=1)[real], whole[real])
            later = torch.randn(3, 5, D, dtype=torch.float64)
            close(module(later, state)[0], module(later, last)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_the_definition(make, definition, kind):
    module, sees = make(kind, "all")
    x = torch.randn(2, 30, D, dtype=torch.float64, requires_grad=True)
    mask = torch.rand(2, 30) < 0.8
    pull = torch.randn(2, 30, D, dtype=torch.float64) * mask[..., None]
    wanted = [x, *module.parameters()]
    got = torch.autograd.grad((module(x, None, mask)[0] * pull).sum(), wanted)
    expected = torch.autograd.grad((definition(module, x, sees, mask) * pull).sum(), wanted)
    close(got, expected, 1e-10)


@pytest.mark.parametrize("option", ["cap", "bias", "all"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_padding_alone_is_zero_with_finite_gradients(make, kind, option):
    module, _ = make(kind, option)
    x = torch.randn(2, 33, D, dtype=torch.float64, requires_grad=True)
    y, _ = module(x, None, torch.tensor([[False], [True]]).expand(2, 33))
    assert torch.equal(y[0], torch.zeros_like(y[0]))
    y.sum().backward()
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in module.parameters())


def share(ours, theirs, norms=False):
    """The same random weights in both."""
    with torch.no_grad():
        parts = [getattr(theirs, name).weight.normal_(std=0.4) for name in ("q_proj", "k_proj", "v_proj")]
        ours.qkv_proj.weight.copy_(torch.cat(parts))
        ours.out_proj.weight.copy_(theirs.o_proj.weight.normal_(std=0.4))
        if norms:
            ours.q_norm.weight.copy_(theirs.q_norm.weight.normal_(1, 0.3))
            ours.k_norm.weight.copy_(theirs.k_norm.weight.normal_(1, 0.3))


def additive(visible):
    return torch.zeros(visible.shape).masked_fill(~visible, float("-inf"))[None, None]


def steps(module, x):
    ys, state = [], None
    for t in range(x.shape[1]):
        y, state = module(x[:, t : t + 1], state)
        ys.append(y)
    return torch.cat(ys, dim=1)


@torch.no_grad()
@pytest.mark.parametrize("layer", [0, 1])
def test_capped_attention_is_gemma2s(layer):
    config = Gemma2Config(
        hidden_size=D, num_attention_heads=4, num_key_value_heads=2, head_dim=P, query_pre_attn_scalar=20,
        attn_logit_softcapping=2.0, sliding_window=5, num_hidden_layers=2, attn_implementation="eager",
    )  # fmt: skip
    theirs = Gemma2Attention(config, layer).eval()
    options = {
        "n_heads": 4, "n_kv_heads": 2, "head_dim": P, "position": RoPE(P),
        "score_scale": 20**-0.5, "score_cap": 2.0,
    }  # fmt: skip
    window = theirs.sliding_window
    ours = Attention(D, **options) if window is None else SlidingWindowAttention(D, window=window, **options)
    share(ours, theirs)
    x = torch.randn(2, 23, D)
    visible = torch.ones(23, 23, dtype=torch.bool).tril()
    visible = visible if window is None else visible.triu(1 - window)
    embeddings = Gemma2RotaryEmbedding(config)(x, torch.arange(23)[None])
    expected = theirs(x, position_embeddings=embeddings, attention_mask=additive(visible))[0]
    close(ours(x)[0], expected, 1e-5)
    close(steps(ours, x), expected, 1e-5)


@torch.no_grad()
def test_normed_attention_is_qwen3s():
    config = Qwen3Config(
        hidden_size=D, num_attention_heads=4, num_key_value_heads=2, head_dim=P, rms_norm_eps=1e-6,
        rope_parameters={"rope_theta": 10000.0, "rope_type": "default"}, attn_implementation="eager",
    )  # fmt: skip
    theirs = Qwen3Attention(config, 0).eval()
    norms = {"q_norm": nn.RMSNorm(P, eps=1e-6), "k_norm": nn.RMSNorm(P, eps=1e-6)}
    ours = Attention(D, n_heads=4, n_kv_heads=2, head_dim=P, position=RoPE(P), **norms)
    share(ours, theirs, norms=True)
    x = torch.randn(2, 23, D)
    embeddings = Qwen3RotaryEmbedding(config)(x, torch.arange(23)[None])
    visible = torch.ones(23, 23, dtype=torch.bool).tril()
    expected = theirs(x, position_embeddings=embeddings, attention_mask=additive(visible))[0]
    close(ours(x)[0], expected, 1e-5)
    close(steps(ours, x), expected, 1e-5)


@torch.no_grad()
@pytest.mark.parametrize("n_kv_heads", [2, 4])
def test_attention_normed_over_the_projection_is_olmo2s(n_kv_heads):
    config = Olmo2Config(
        hidden_size=4 * P, num_attention_heads=4, num_key_value_heads=n_kv_heads, rms_norm_eps=1e-6,
        rope_parameters={"rope_theta": 500000.0, "rope_type": "default"}, attn_implementation="eager",
    )  # fmt: skip
    theirs = Olmo2Attention(config, 0).eval()
    norms = {"q_norm": nn.RMSNorm(4 * P, eps=1e-6), "k_norm": nn.RMSNorm(n_kv_heads * P, eps=1e-6)}
    ours = Attention(
        4 * P, n_heads=4, n_kv_heads=n_kv_heads, head_dim=P, position=RoPE(P, theta=500000.0), **norms,
        norm_over="projection",
    )  # fmt: skip
    share(ours, theirs, norms=True)
    x = torch.randn(2, 23, 4 * P)
    embeddings = Olmo2RotaryEmbedding(config)(x, torch.arange(23)[None])
    visible = torch.ones(23, 23, dtype=torch.bool).tril()
    expected = theirs(x, position_embeddings=embeddings, attention_mask=additive(visible))[0]
    close(ours(x)[0], expected, 1e-5)
    close(steps(ours, x), expected, 1e-5)


@torch.no_grad()
@pytest.mark.parametrize("decoder", [False, True])
def test_attention_with_relative_positions_is_t5s(decoder):
    config = T5Config(
        d_model=D, d_kv=P, num_heads=4, dropout_rate=0.0, is_decoder=decoder,
        relative_attention_num_buckets=8, relative_attention_max_distance=20, attn_implementation="eager",
    )  # fmt: skip
    theirs = T5Attention(config, has_relative_attention_bias=True, layer_idx=0, is_causal=decoder).eval()
    position = RelativePositions(4, n_buckets=8, max_distance=20, bidirectional=not decoder)
    ours = Attention(
        D, n_heads=4, n_kv_heads=4, head_dim=P, position=position, position_at="scores", score_scale=1.0,
        causal=decoder,
    )  # fmt: skip
    parts = [getattr(theirs, name).weight.normal_(std=0.2) for name in "qkv"]
    ours.qkv_proj.weight.copy_(torch.cat(parts))
    ours.out_proj.weight.copy_(theirs.o.weight.normal_(std=0.4))
    position.weight.copy_(theirs.relative_attention_bias.weight.normal_())
    x = torch.randn(2, 31, D)
    visible = torch.ones(31, 31, dtype=torch.bool)
    expected = theirs(x, mask=additive(visible.tril() if decoder else visible))[0]
    close(ours(x)[0], expected, 1e-5)
    if decoder:
        close(steps(ours, x), expected, 1e-5)


@torch.no_grad()
@pytest.mark.parametrize("option", ["rope", "cap", "bias", "infused"])
@pytest.mark.parametrize("kind", KINDS)
def test_exports_with_dynamic_batch_and_length(make, kind, option):
    module, _ = make(kind, option, torch.float32)
    B, T = torch.export.Dim("B"), torch.export.Dim("T")
    plain = torch.export.export(module, (torch.randn(2, 6, D),), dynamic_shapes=({0: B, 1: T},)).module()
    masked = torch.export.export(
        module,
        (torch.randn(2, 6, D), None, torch.ones(2, 6, dtype=torch.bool)),
        dynamic_shapes=({0: B, 1: T}, None, {0: B, 1: T}),
    ).module()
    for shape in ((3, 2), (1, 5), (2, 40)):
        x, mask = torch.randn(*shape, D), torch.ones(shape, dtype=torch.bool)
        mask[:, 0] = False
        for (y, state), (z, expected), real in (
            (plain(x), module(x), torch.ones_like(mask)),
            (masked(x, None, mask), module(x, None, mask), mask),
        ):
            close(y[real], z[real], 1e-5)
            if kind in CACHED:
                close(module(x[:, :1], state)[0], module(x[:, :1], expected)[0], 1e-5)


@torch.no_grad()
@pytest.mark.parametrize("option", ["all", "infused"])
@pytest.mark.parametrize("kind", KINDS)
def test_compiles_into_one_graph(make, kind, option):
    module, _ = make(kind, option, torch.float32)
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    for T in (3, 40):
        x = torch.randn(2, T, D)
        mask = torch.ones(2, T, dtype=torch.bool)
        mask[0, :2] = False
        close(compiled(x)[0], module(x)[0], 1e-5)
        close(compiled(x, None, mask)[0], module(x, None, mask)[0], 1e-5)
    if kind in CACHED:
        torch.compiler.reset()
        x = torch.randn(2, 9, D)
        close(steps(compiled, x), module(x)[0], 1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_low_precision_agrees_roughly(make, kind):
    for option in ("cap", "bias", "norm"):
        module, _ = make(kind, option, torch.float32)
        half, _ = make(kind, option, torch.bfloat16)
        x = torch.randn(2, 33, D)
        y, _ = half(x.bfloat16())
        assert y.dtype == torch.bfloat16
        close(y.float(), module(x)[0], 0.08)
