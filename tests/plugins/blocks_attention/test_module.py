"""Attention against transformers on shared weights, and itself on splits, padding, windows and exports."""

import itertools

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import GPT2Config, GPTNeoXConfig, LlamaConfig, MistralConfig, Qwen2Config
from transformers.models.gpt2.modeling_gpt2 import GPT2Attention
from transformers.models.gpt_neox.modeling_gpt_neox import GPTNeoXAttention, GPTNeoXRotaryEmbedding
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaRotaryEmbedding
from transformers.models.mistral.modeling_mistral import MistralAttention, MistralRotaryEmbedding
from transformers.models.qwen2.modeling_qwen2 import Qwen2Attention, Qwen2RotaryEmbedding

from blocks_attention.module import Attention
from blocks_attention.window import SlidingWindowAttention
from blocks_positions.module import LinearScaledRoPE, Llama3RoPE, RoPE

D, P = 32, 8
LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}


def additive(visible):
    return torch.zeros(visible.shape).masked_fill(~visible, float("-inf"))[None, None]


def causal(T, window=None):
    visible = torch.ones(T, T, dtype=torch.bool).tril()
    return visible if window is None else visible.triu(1 - window)


def share_weights(ours, theirs):
    with torch.no_grad():
        for name in ("weight", "bias"):
            parts = [getattr(getattr(theirs, f"{x}_proj"), name) for x in "qkv"]
            if parts[0] is not None:
                getattr(ours.qkv_proj, name).copy_(torch.cat(parts).normal_(std=0.3))
                for part, value in zip(
                    parts, getattr(ours.qkv_proj, name).split([len(p) for p in parts]), strict=True
                ):
                    part.copy_(value)
        ours.out_proj.weight.copy_(theirs.o_proj.weight)
        if ours.out_proj.bias is not None:
            ours.out_proj.bias.copy_(theirs.o_proj.bias.normal_())


def token_by_token(module, x, state=None):
    ys = []
    for t in range(x.shape[1]):
        y, state = module(x[:, t : t + 1], state)
        ys.append(y)
    return torch.cat(ys, dim=1), state


def close(actual, expected, tolerance=1e-5):
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


LLAMAS = {
    "gqa": (LlamaConfig, LlamaAttention, LlamaRotaryEmbedding, RoPE(P), {"rope_type": "default"}),
    "linear": (
        LlamaConfig,
        LlamaAttention,
        LlamaRotaryEmbedding,
        LinearScaledRoPE(P, factor=4.0),
        {"rope_type": "linear", "factor": 4.0},
    ),
    "llama3": (
        LlamaConfig,
        LlamaAttention,
        LlamaRotaryEmbedding,
        Llama3RoPE(P, theta=10000.0, original_max_len=64, **LLAMA3),
        {"rope_type": "llama3", "original_max_position_embeddings": 64, **LLAMA3},
    ),
    "qwen2": (Qwen2Config, Qwen2Attention, Qwen2RotaryEmbedding, RoPE(P), {"rope_type": "default"}),
    "mistral": (MistralConfig, MistralAttention, MistralRotaryEmbedding, RoPE(P), {"rope_type": "default"}),
}


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("name", LLAMAS)
def test_attention_is_transformers(name, kv_heads):
    config_type, attention_type, rotary_type, position, rope = LLAMAS[name]
    config = config_type(
        hidden_size=D,
        num_attention_heads=4,
        num_key_value_heads=kv_heads,
        head_dim=P,
        rope_parameters={"rope_theta": 10000.0, **rope},
        attn_implementation="eager",
    )
    theirs = attention_type(config, 0).eval()
    sizes = {"n_heads": 4, "n_kv_heads": kv_heads, "head_dim": P, "position": position}
    window = 5 if name == "mistral" else None
    if window is None:
        ours = Attention(D, qkv_bias=name == "qwen2", **sizes)
    else:
        ours = SlidingWindowAttention(D, window=window, **sizes)
    share_weights(ours, theirs)
    x = torch.randn(2, 23, D)
    embeddings = rotary_type(config)(x, torch.arange(23)[None])
    expected = theirs(x, position_embeddings=embeddings, attention_mask=additive(causal(23, window)))[0]
    close(ours(x)[0], expected)
    close(token_by_token(ours, x)[0], expected)


def test_biased_attention_without_positions_is_gpt2s():
    config = GPT2Config(n_embd=D, n_head=4, attn_pdrop=0.0, resid_pdrop=0.0, attn_implementation="eager")
    theirs = GPT2Attention(config, layer_idx=0)
    ours = Attention(D, n_heads=4, n_kv_heads=4, head_dim=P, qkv_bias=True, out_bias=True)
    with torch.no_grad():
        for linear, conv in ((ours.qkv_proj, theirs.c_attn), (ours.out_proj, theirs.c_proj)):
            linear.weight.copy_(conv.weight.normal_(std=0.3).T)
            linear.bias.copy_(conv.bias.normal_())
    x = torch.randn(2, 11, D)
    expected = theirs(x, attention_mask=additive(causal(11)))[0]
    close(ours(x)[0], expected)
    close(token_by_token(ours, x)[0], expected)


def test_partial_rotary_attention_is_gpt_neoxs():
    config = GPTNeoXConfig(hidden_size=D, num_attention_heads=4, rotary_pct=0.5, attn_implementation="eager")
    theirs = GPTNeoXAttention(config, layer_idx=0).eval()
    ours = Attention(
        D, n_heads=4, n_kv_heads=4, head_dim=P, qkv_bias=True, out_bias=True, position=RoPE(P, rotary_dim=4)
    )
    with torch.no_grad():
        fused = theirs.query_key_value  # its rows are [q; k; v] per head
        for name in ("weight", "bias"):
            rows = getattr(fused, name).normal_(std=0.3)
            getattr(ours.qkv_proj, name).copy_(rows.unflatten(0, (4, 3, P)).transpose(0, 1).flatten(0, 2))
            getattr(ours.out_proj, name).copy_(getattr(theirs.dense, name))
    x = torch.randn(2, 11, D)
    embeddings = GPTNeoXRotaryEmbedding(config)(x, torch.arange(11)[None])
    close(ours(x)[0], theirs(x, additive(causal(11)), position_embeddings=embeddings)[0])


def make(kind, dtype=torch.float64, window=4, **options):
    torch.manual_seed(0)
    options = {"n_heads": 4, "n_kv_heads": 2, "head_dim": P, "position": RoPE(P), **options}
    if kind == "window":
        return SlidingWindowAttention(D, window=window, **options).to(dtype)
    return Attention(D, causal=kind == "full", **options).to(dtype)


def naive(module, x):
    """Attention written out, one query and one head at a time."""
    H, K, T = module.n_heads, module.n_kv_heads, x.shape[1]
    q, k, v = module.qkv_proj(x).unflatten(-1, (-1, P)).split((H, K, K), dim=2)
    if module.position is not None:
        q, k = module.position(q, k, torch.arange(T))
    y = torch.zeros(x.shape[0], T, H, P, dtype=x.dtype)
    for t, h in itertools.product(range(T), range(H)):
        first = max(0, t - module.window + 1) if isinstance(module, SlidingWindowAttention) else 0
        last = t + 1 if getattr(module, "causal", True) else T
        keys, values = k[:, first:last, h * K // H], v[:, first:last, h * K // H]
        weights = torch.softmax((keys @ q[:, t, h, :, None])[..., 0] / P**0.5, dim=-1)
        y[:, t, h] = (weights[:, None] @ values)[:, 0]
    return module.out_proj(y.flatten(2))


@pytest.mark.parametrize("T", [0, 1, 2, 3, 4, 5, 8, 9, 13, 16])
@pytest.mark.parametrize("kind", ["full", "both", "window"])
def test_every_length_is_the_definition(kind, T):
    module, x = make(kind), torch.randn(2, T, D, dtype=torch.float64)
    close(module(x)[0], naive(module, x), 1e-12)


@pytest.mark.parametrize("window", [1, 2, 3, 7, 30])
def test_every_window_is_the_definition(window):
    module, x = make("window", window=window), torch.randn(2, 17, D, dtype=torch.float64)
    y, state = module(x)
    close(y, naive(module, x), 1e-12)
    assert state.keys.shape == state.values.shape == (2, 2, min(17, window - 1), P)
    assert state.seen.tolist() == [17, 17]
    close(token_by_token(module, x)[0], y, 1e-12)


@pytest.mark.parametrize(
    "cuts", [(0,), (1,), (2, 3), (3, 3, 16), (5, 7), (12,), (17,), (1, 2, 4, 8), (1, 12)]
)
@pytest.mark.parametrize("kind", ["full", "window"])
def test_any_split_agrees(kind, cuts):
    module, x = make(kind), torch.randn(2, 17, D, dtype=torch.float64)
    expected, expected_state = module(x)
    ys, state = [], None
    for start, end in itertools.pairwise((0, *cuts, 17)):
        y, state = module(x[:, start:end], state)
        ys.append(y)
    close(torch.cat(ys, dim=1), expected, 1e-12)
    close(state, expected_state, 1e-12)


def scattered(x, pattern):
    """Put x's tokens where the pattern has a 1 and noise elsewhere."""
    mask = torch.tensor([[c == "1" for c in pattern]]).expand(x.shape[0], -1)
    padded = torch.randn(x.shape[0], len(pattern), D, dtype=x.dtype)
    padded[mask] = x.flatten(0, 1)
    return padded, mask


@pytest.mark.parametrize(
    "pattern", ["1111100", "0011111", "0000000000011111", "1111100000000000", "1001000000111", "0"]
)
@pytest.mark.parametrize("kind", ["full", "both", "window"])
def test_padding_changes_nothing_at_real_tokens(kind, pattern):
    module, x = make(kind), torch.randn(2, pattern.count("1"), D, dtype=torch.float64)
    padded, mask = scattered(x, pattern)
    y, state = module(padded, None, mask)
    assert y.isfinite().all()
    expected, expected_state = module(x)
    close(y[mask], expected.flatten(0, 1), 1e-12)
    if kind != "both":
        after = torch.randn(2, 3, D, dtype=torch.float64)
        close(module(after, state)[0], module(after, expected_state)[0], 1e-12)
        for more in ("00111", "11100", "1000000000000011"):
            padded, mask = scattered(after, more)
            close(module(padded, state, mask)[0][mask].view(2, 3, D), module(after, expected_state)[0], 1e-12)


@pytest.mark.parametrize("kind", ["full", "both", "window"])
def test_rows_are_padded_independently(kind):
    module, x = make(kind), torch.randn(2, 11, D, dtype=torch.float64)
    mask = torch.ones(2, 11, dtype=torch.bool)
    mask[0, :4] = False
    y, _ = module(x, None, mask)
    close(y[0, 4:], module(x[:1, 4:])[0][0], 1e-12)
    close(y[1], module(x[1:])[0][0], 1e-12)


@pytest.mark.parametrize("kind", ["full", "both", "window"])
def test_a_fully_padded_row_has_zero_attention_and_finite_gradient(kind):
    module = make(kind)
    x = torch.randn(2, 9, D, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[False], [True]]).expand(2, 9)
    y, _ = module(x, None, mask)
    assert torch.equal(y[0], torch.zeros_like(y[0]))
    y.sum().backward()
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in module.parameters())


@pytest.mark.parametrize("kind", ["full", "window"])
def test_state_is_not_changed_in_place(kind):
    module, x = make(kind), torch.randn(2, 6, D, dtype=torch.float64)
    _, state = module(x)
    before = [None if leaf is None else leaf.clone() for leaf in state]
    module(x, state)
    for leaf, copy in zip(state, before, strict=True):
        assert (leaf is None and copy is None) or torch.equal(leaf, copy)


def test_a_long_prefill_does_not_keep_more_than_the_window():
    _, state = make("window")(torch.randn(1, 100, D, dtype=torch.float64))
    assert state.keys.untyped_storage().nbytes() == state.keys.numel() * 8


def test_bidirectional_attention_has_no_state():
    module, x = make("both"), torch.randn(2, 3, D, dtype=torch.float64)
    _, state = module(x)
    assert state is None
    with pytest.raises(ValueError, match="bidirectional attention keeps no state"):
        module(x, make("full")(x)[1])


def test_window_must_hold_the_token_itself():
    with pytest.raises(ValueError, match="at least 1, not 0"):
        make("window", window=0)


@pytest.mark.parametrize(("B", "T"), [(1, 1), (2, 7), (3, 16)])
@pytest.mark.parametrize("kind", ["full", "both", "window"])
def test_flops_and_state_size(kind, B, T):
    module = make(kind, torch.float32).to("meta")
    H, K, W = 4, 2, 4
    linear = 2 * B * D * P * (H + 2 * K + H)  # per token
    seen = T if kind != "window" or T <= 2 * W else 2 * W
    queries = T if kind != "window" or T <= 2 * W else -(-T // W) * W
    with FlopCounterMode(display=False) as counter:
        _, state = module(torch.empty(B, T, D, device="meta"))
    assert counter.get_total_flops() == linear * T + 4 * B * H * P * queries * seen
    if kind == "both":
        return
    size = sum(leaf.numel() for leaf in state if leaf is not None)
    assert size == 2 * B * K * P * (min(T, W - 1) if kind == "window" else T) + B * (kind == "window")
    with FlopCounterMode(display=False) as counter:
        module(torch.empty(B, 1, D, device="meta"), state)
    context = min(T + 1, W) if kind == "window" else T + 1
    assert counter.get_total_flops() == linear + 4 * B * H * P * context


@pytest.mark.parametrize("kind", ["full", "both", "window"])
def test_export_with_dynamic_batch_and_length(kind):
    module = make(kind, torch.float32)
    B, T = torch.export.Dim("B"), torch.export.Dim("T")
    plain = torch.export.export(module, (torch.randn(2, 6, D),), dynamic_shapes=({0: B, 1: T},)).module()
    masked = torch.export.export(
        module,
        (torch.randn(2, 6, D), None, torch.ones(2, 6, dtype=torch.bool)),
        dynamic_shapes=({0: B, 1: T}, None, {0: B, 1: T}),
    ).module()
    for shape in ((3, 2), (1, 5), (2, 19)):
        x, mask = torch.randn(*shape, D), torch.ones(shape, dtype=torch.bool)
        mask[:, 0] = False
        for (y, state), (z, expected) in (
            (plain(x), module(x)),
            (masked(x, None, mask), module(x, None, mask)),
        ):
            close(y, z)
            if kind != "both":
                close(module(x[:, :1], state)[0], module(x[:, :1], expected)[0])


@torch.no_grad()
@pytest.mark.parametrize("kind", ["full", "both", "window"])
def test_compiles_into_one_graph(kind):
    module = make(kind, torch.float32)
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    for T in (3, 6, 19):
        x = torch.randn(2, T, D)
        close(compiled(x), module(x))
        mask = torch.ones(2, T, dtype=torch.bool)
        mask[0, :2] = False
        close(compiled(x, None, mask), module(x, None, mask))
    if kind == "both":
        return
    torch.compiler.reset()
    state = expected = None
    for _ in range(6):
        x = torch.randn(2, 1, D)
        y, state = compiled(x, state)
        z, expected = module(x, expected)
        close(y, z)


def test_low_precision_runs_and_agrees_roughly():
    for kind in ("full", "window"):
        module = make(kind, torch.float32)
        x = torch.randn(2, 9, D)
        y = make(kind, torch.bfloat16)(x.bfloat16())[0]
        assert y.dtype == torch.bfloat16
        close(y.float(), module(x)[0], 0.05)
