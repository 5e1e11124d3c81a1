"""Rotary positions and their scalings against transformers'."""

import pytest
import torch
from transformers import GPTNeoXConfig, LlamaConfig, Phi3Config
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.gpt_neox import modeling_gpt_neox as neox
from transformers.models.llama import modeling_llama as llama
from transformers.models.phi3 import modeling_phi3 as phi3

from blocks_positions.module import DynamicRoPE, LinearScaledRoPE, Llama3RoPE, LongRoPE, RoPE, YarnRoPE

LONG = {"short_factor": (1.0, 1.1, 1.0, 1.4), "long_factor": (1.0, 2.5, 8.0, 30.0)}
LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}


def llama_config(head_dim, max_len=131072, **rope):
    return LlamaConfig(
        hidden_size=head_dim * 2, num_attention_heads=2, max_position_embeddings=max_len, rope_parameters=rope
    )


def llama_rope(q, k, positions, **rope):
    config = llama_config(q.shape[-1], **rope)
    cos, sin = llama.LlamaRotaryEmbedding(config)(q, positions[None])
    return llama.apply_rotary_pos_emb(q, k, cos, sin, unsqueeze_dim=2)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (RoPE(64), {"rope_type": "default", "rope_theta": 10000.0}),
        (RoPE(64, theta=500000.0), {"rope_type": "default", "rope_theta": 500000.0}),
        (
            LinearScaledRoPE(64, theta=1e4, factor=4.0),
            {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0},
        ),
        (
            Llama3RoPE(64, theta=5e5, rotary_dim=64, original_max_len=8192, **LLAMA3),
            {"rope_type": "llama3", "rope_theta": 5e5, "original_max_position_embeddings": 8192, **LLAMA3},
        ),
        (
            YarnRoPE(64, factor=4.0, original_max_len=2048),
            {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 2048},
        ),
        (
            Llama3RoPE(64, theta=1e4, rotary_dim=None, original_max_len=128, **LLAMA3),
            {"rope_type": "llama3", "rope_theta": 1e4, "original_max_position_embeddings": 128, **LLAMA3},
        ),
    ],
)
def test_rope_is_transformers(ours, theirs):
    q, k = torch.randn(2, 33, 4, 64), torch.randn(2, 33, 1, 64)
    for start in (0, 100_000):
        positions = torch.arange(33) + start
        for a, b in zip(ours(q, k, positions), llama_rope(q, k, positions, **theirs), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_partial_rope_is_gpt_neoxs():
    q, k, positions = torch.randn(2, 9, 4, 16), torch.randn(2, 9, 4, 16), torch.arange(9) + 3
    config = GPTNeoXConfig(hidden_size=64, num_attention_heads=4, rotary_pct=0.25)
    cos, sin = neox.GPTNeoXRotaryEmbedding(config)(q, positions[None])
    assert cos.shape[-1] == 4
    expected = neox.apply_rotary_pos_emb(q, k, cos, sin, unsqueeze_dim=2)
    for a, b in zip(RoPE(16, rotary_dim=4)(q, k, positions), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_interleaved_rope_is_complex_multiplication():
    q, positions = torch.randn(1, 7, 2, 8, dtype=torch.float64), torch.arange(7)
    angle = positions[:, None] * 10000.0 ** (-torch.arange(4, dtype=torch.float64) / 4)
    turn = torch.polar(torch.ones_like(angle), angle)[:, None]
    expected = torch.view_as_real(torch.view_as_complex(q.unflatten(-1, (4, 2))) * turn).flatten(-2)
    torch.testing.assert_close(RoPE(8, interleaved=True)(q, q, positions)[0], expected)


def test_rope_scores_depend_on_distance_only():
    rope, q, k = RoPE(8), torch.randn(1, 1, 1, 8).double(), torch.randn(1, 1, 1, 8).double()

    def score(m, n):
        return (rope(q, q, torch.tensor([m]))[0] * rope(k, k, torch.tensor([n]))[0]).sum()

    torch.testing.assert_close(score(5, 2), score(105, 102))
    assert not torch.isclose(score(5, 2), score(5, 3))


def test_rope_takes_positions_per_row():
    rope, q, k = RoPE(8), torch.randn(2, 3, 2, 8), torch.randn(2, 3, 1, 8)
    rows = torch.tensor([[0, 1, 2], [5, 6, 7]])
    together = rope(q, k, rows)
    for i in range(2):
        alone = rope(q[i : i + 1], k[i : i + 1], rows[i])
        assert torch.equal(together[0][i : i + 1], alone[0])
        assert torch.equal(together[1][i : i + 1], alone[1])


def test_rope_in_bf16_uses_fp32_angles():
    positions = torch.tensor([4095, 4097])  # bf16 cannot tell them apart
    q = torch.randn(1, 2, 1, 8).bfloat16()
    a = RoPE(8)(q, q, positions)[0]
    assert a.dtype == torch.bfloat16
    torch.testing.assert_close(a.float(), RoPE(8)(q.float(), q.float(), positions)[0], rtol=0.02, atol=0.03)


@pytest.mark.parametrize("rotary_dim", [0, 3, 10])
def test_impossible_rotary_dim_is_refused(rotary_dim):
    with pytest.raises(ValueError, match=f"even and in 2..8 .*not {rotary_dim}"):
        RoPE(8, rotary_dim=rotary_dim)


def test_llama3_needs_ordered_factors():
    with pytest.raises(ValueError, match="not below"):
        Llama3RoPE(8, low_freq_factor=4.0, high_freq_factor=4.0)


YARNS = [
    {"factor": 4.0, "original_max_len": 2048},
    {"factor": 16.0, "original_max_len": 4096, "beta_fast": 24.0, "beta_slow": 2.0},
    {"factor": 1.0, "original_max_len": 64},
    {"factor": 40.0, "original_max_len": 4096, "attention_factor": 1.2},
    {"factor": 2.0, "original_max_len": 7},  # not one pair turns 32 times
]


@pytest.mark.parametrize("theta", [1e4, 5e5])
@pytest.mark.parametrize("head_dim", [8, 64, 128])
@pytest.mark.parametrize("options", YARNS)
def test_yarn_has_transformers_frequencies_and_temperature(options, head_dim, theta):
    names = {"original_max_len": "original_max_position_embeddings"}
    theirs = {names.get(name, name): value for name, value in options.items()}
    config = llama_config(head_dim, rope_type="yarn", rope_theta=theta, **theirs)
    freq, factor = ROPE_INIT_FUNCTIONS["yarn"](config, torch.device("cpu"))
    ours = YarnRoPE(head_dim, theta=theta, **options)
    torch.testing.assert_close(ours.frequencies(torch.zeros(1, 1, 1)), freq, rtol=1e-6, atol=0)
    assert ours.attention_factor == pytest.approx(factor, rel=1e-12)


def test_yarn_keeps_fast_pairs_and_slows_slow_ones_down():
    plain, scaled = (
        rope.frequencies(torch.zeros(1, 1, 1, dtype=torch.float64))
        for rope in (RoPE(128), YarnRoPE(128, factor=8.0, original_max_len=4096))
    )
    turns = 4096 * plain / (2 * torch.pi)
    assert torch.equal(scaled[turns > 40], plain[turns > 40])
    torch.testing.assert_close(scaled[turns < 0.8], plain[turns < 0.8] / 8)
    assert (scaled.diff() < 0).all()


def test_yarn_multiplies_rotated_channels_alone():
    q, positions = torch.randn(1, 5, 2, 16), torch.arange(5)
    rope = YarnRoPE(16, rotary_dim=8, factor=2.0, original_max_len=64)
    turned, _ = rope(q, q, positions)
    assert torch.equal(turned[..., 8:], q[..., 8:])
    norms = turned[..., :8].norm(dim=-1) / q[..., :8].norm(dim=-1)
    torch.testing.assert_close(norms, torch.full_like(norms, rope.attention_factor))


@pytest.mark.parametrize("length", [1, 31, 32, 33, 64, 500])
@pytest.mark.parametrize("factor", [1.0, 2.0, 4.0])
def test_the_last_token_of_a_sequence_has_transformers_dynamic_theta(length, factor):
    config = llama_config(16, max_len=32, rope_type="dynamic", rope_theta=1e4, factor=factor)
    freq, _ = ROPE_INIT_FUNCTIONS["dynamic"](config, torch.device("cpu"), seq_len=length)
    ours = DynamicRoPE(16, factor=factor, original_max_len=32)
    last = ours.frequencies(torch.tensor([[[length - 1.0]]]))[0, 0]
    torch.testing.assert_close(last, freq, rtol=1e-6, atol=0)


def test_dynamic_is_what_transformers_decodes_step_by_step():
    config = llama_config(16, max_len=8, rope_type="dynamic", rope_theta=1e4, factor=2.0)
    theirs, ours = llama.LlamaRotaryEmbedding(config), DynamicRoPE(16, factor=2.0, original_max_len=8)
    q, k = torch.randn(1, 24, 2, 16), torch.randn(1, 24, 1, 16)
    whole = ours(q, k, torch.arange(24))
    for t in range(24):
        cos, sin = theirs(q, torch.tensor([[t]]))
        step = llama.apply_rotary_pos_emb(q[:, t : t + 1], k[:, t : t + 1], cos, sin, unsqueeze_dim=2)
        for a, b in zip(whole, step, strict=True):
            torch.testing.assert_close(a[:, t : t + 1], b, rtol=1e-6, atol=1e-6)


def test_dynamic_is_plain_up_to_the_original_length_and_the_same_in_chunks():
    q, positions = torch.randn(2, 40, 2, 8, dtype=torch.float64), torch.arange(40)
    ours = DynamicRoPE(8, factor=2.0, original_max_len=16)
    whole, _ = ours(q, q, positions)
    torch.testing.assert_close(whole[:, :16], RoPE(8)(q, q, positions)[0][:, :16], rtol=1e-12, atol=1e-12)
    assert not torch.allclose(whole[:, 16:], RoPE(8)(q, q, positions)[0][:, 16:])
    for size in (1, 7, 16):
        parts = [
            ours(q[:, i : i + size], q[:, i : i + size], positions[i : i + size])[0]
            for i in range(0, 40, size)
        ]
        assert torch.equal(torch.cat(parts, dim=1), whole)


def phi3_config(part=1.0, max_len=128, **rope):
    return Phi3Config(
        hidden_size=16, num_attention_heads=2, max_position_embeddings=max_len, original_max_position_embeddings=16,
        rope_parameters={
            "rope_type": "longrope", "rope_theta": 1e4, "partial_rotary_factor": part,
            "short_factor": list(LONG["short_factor"]), "long_factor": list(LONG["long_factor"]), **rope,
        },
        pad_token_id=None,
    )  # fmt: skip


@pytest.mark.parametrize("longer", [{}, {"max_len": 16}, {"factor": 5.0}, {"attention_factor": 1.3}])
def test_longrope_has_transformers_frequencies_and_temperature(longer):
    config = phi3_config(**longer)
    factor = longer.get("factor", longer.get("max_len", 128) / 16)
    ours = LongRoPE(
        8, factor=factor, original_max_len=16, attention_factor=longer.get("attention_factor"), **LONG
    )
    for length in (1, 16, 17, 100):
        freq, sharper = ROPE_INIT_FUNCTIONS["longrope"](config, torch.device("cpu"), seq_len=length)
        last = ours.frequencies(torch.tensor([[[length - 1.0]]]))[0, 0]
        torch.testing.assert_close(last, freq, rtol=1e-6, atol=0)
        assert ours.attention_factor == pytest.approx(sharper, rel=1e-12)


@pytest.mark.parametrize("length", [1, 16, 17, 60])
def test_longrope_is_phi3s_up_to_the_original_length_and_beyond_it_with_long_factors_alone(length):
    theirs = phi3.Phi3RotaryEmbedding(phi3_config())
    q, k, positions = torch.randn(2, length, 2, 8), torch.randn(2, length, 1, 8), torch.arange(length)
    cos, sin = theirs(q, positions[None])
    wanted = phi3.apply_rotary_pos_emb(q, k, cos, sin, unsqueeze_dim=2)
    options = {"factor": 8.0, "original_max_len": 16, **LONG}
    by_place, long = LongRoPE(8, **options), LongRoPE(8, long_after=0, **options)
    same, other = (by_place, long) if length <= 16 else (long, by_place)
    for a, b in zip(same(q, k, positions), wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    if length > 1:
        assert not torch.allclose(other(q, k, positions)[0], wanted[0], atol=1e-3)


def test_longrope_in_chunks_is_longrope_in_one_call():
    q, positions = torch.randn(2, 40, 2, 8, dtype=torch.float64), torch.arange(40)
    ours = LongRoPE(8, factor=8.0, original_max_len=16, **LONG)
    whole, _ = ours(q, q, positions)
    for size in (1, 7, 16):
        parts = [
            ours(q[:, i : i + size], q[:, i : i + size], positions[i : i + size])[0]
            for i in range(0, 40, size)
        ]
        assert torch.equal(torch.cat(parts, dim=1), whole)


@pytest.mark.parametrize(
    ("cls", "options", "theirs"),
    [
        (RoPE, {}, {"rope_type": "default"}),
        (LinearScaledRoPE, {"factor": 4.0}, {"rope_type": "linear", "factor": 4.0}),
        (DynamicRoPE, {"factor": 4.0, "original_max_len": 32}, {"rope_type": "dynamic", "factor": 4.0}),
        (
            YarnRoPE,
            {"factor": 4.0, "original_max_len": 64},
            {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
        ),
        (
            Llama3RoPE,
            {"original_max_len": 64, **LLAMA3},
            {"rope_type": "llama3", "original_max_position_embeddings": 64, **LLAMA3},
        ),
        (
            LongRoPE,
            {"factor": 2.0, "original_max_len": 16, "long_after": 0, **LONG},
            {"rope_type": "longrope", "factor": 2.0, "original_max_position_embeddings": 16, **LONG},
        ),
    ],
)
def test_every_scaling_can_turn_a_part_of_the_channels(cls, options, theirs):
    config = llama_config(16, max_len=32, rope_theta=1e4, partial_rotary_factor=0.5, **theirs)
    q, k, positions = torch.randn(2, 40, 2, 16), torch.randn(2, 40, 1, 16), torch.arange(40)
    if theirs["rope_type"] == "default":  # in transformers a family's own affair
        freq, sharper = 1e4 ** (-torch.arange(4) / 4), 1.0
    else:
        freq, sharper = ROPE_INIT_FUNCTIONS[theirs["rope_type"]](config, torch.device("cpu"), seq_len=40)
    ours = cls(16, theta=1e4, rotary_dim=8, **options)
    whole = cls(8, theta=1e4, **options)
    torch.testing.assert_close(ours.frequencies(torch.tensor([[[39.0]]])).flatten(), freq, rtol=1e-6, atol=0)
    for x, turned, alone in zip(
        (q, k), ours(q, k, positions), whole(q[..., :8], k[..., :8], positions), strict=True
    ):
        assert torch.equal(turned[..., 8:], x[..., 8:])
        assert torch.equal(turned[..., :8], alone)
        norms = turned[..., :8].norm(dim=-1) / x[..., :8].norm(dim=-1)
        torch.testing.assert_close(norms, torch.full_like(norms, sharper))


@pytest.mark.parametrize("make", [
    lambda **o: LinearScaledRoPE(8, factor=2.0, **o),
    lambda **o: DynamicRoPE(8, factor=2.0, original_max_len=4, **o),
    lambda **o: YarnRoPE(8, factor=2.0, original_max_len=64, **o),
    lambda **o: LongRoPE(8, factor=2.0, original_max_len=4, **LONG, **o),
    lambda **o: Llama3RoPE(8, **o),
])  # fmt: skip
def test_every_scaling_turns_neighbours_too(make):
    q, positions = torch.randn(2, 9, 2, 8), torch.arange(9).expand(2, 9) + torch.tensor([[0], [5]])
    order = torch.tensor([0, 4, 1, 5, 2, 6, 3, 7])  # halves as neighbours
    halves, neighbours = make()(q, q, positions)[0], make(interleaved=True)(q[..., order], q, positions)[0]
    torch.testing.assert_close(neighbours, halves[..., order])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DynamicRoPE(8, rotary_dim=2, factor=2.0, original_max_len=4), "a second one"),
        (lambda: YarnRoPE(8, factor=2.0, original_max_len=64, beta_fast=1.0), "not below"),
        (lambda: YarnRoPE(8, factor=2.0, original_max_len=6), "above 2 pi"),
        (lambda: YarnRoPE(8, theta=1.0, factor=2.0, original_max_len=64), "theta above 1"),
        (
            lambda: LongRoPE(16, factor=2.0, original_max_len=4, **LONG),
            "short_factor has 4 numbers, and 8 pairs",
        ),
    ],
)
def test_scalings_that_cannot_be_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (LinearScaledRoPE(64, factor=4.0), {"rope_type": "linear", "factor": 4.0}),
        (
            Llama3RoPE(64, theta=1e4, original_max_len=512, **LLAMA3),
            {"rope_type": "llama3", "original_max_position_embeddings": 512, **LLAMA3},
        ),
    ],
)
def test_other_scalings_have_transformers_frequencies(ours, theirs):
    config = llama_config(64, rope_theta=1e4, **theirs)
    freq, factor = ROPE_INIT_FUNCTIONS[theirs["rope_type"]](config, torch.device("cpu"))
    assert factor == 1.0
    torch.testing.assert_close(ours.frequencies(torch.zeros(1, 1, 1)), freq, rtol=1e-6, atol=0)


@pytest.mark.parametrize("interleaved", [False, True])
def test_no_token_and_no_row_are_possible(interleaved):
    rope = RoPE(8, rotary_dim=4, interleaved=interleaved)
    for shape in ((2, 0, 3, 8), (0, 5, 3, 8)):
        q, k = rope(torch.zeros(shape), torch.zeros(shape), torch.arange(shape[1]))
        assert q.shape == k.shape == shape


@pytest.mark.parametrize("rope", [
    RoPE(8, interleaved=True), DynamicRoPE(8, factor=2.0, original_max_len=4),
    YarnRoPE(8, factor=2.0, original_max_len=64, rotary_dim=4),
    LongRoPE(8, factor=2.0, original_max_len=4, **LONG),
])  # fmt: skip
def test_they_compile_and_export(rope):
    q, k, positions = torch.randn(2, 5, 2, 8), torch.randn(2, 5, 1, 8), torch.arange(5)
    expected = rope(q, k, positions)
    compiled = torch.compile(rope, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(q, k, positions), expected)
    B, T = torch.export.Dim("B"), torch.export.Dim("T")
    exported = torch.export.export(
        rope, (q, k, positions), dynamic_shapes=({0: B, 1: T}, {0: B, 1: T}, {0: T})
    )
    longer = torch.randn(3, 9, 2, 8), torch.randn(3, 9, 1, 8), torch.arange(9)
    torch.testing.assert_close(exported.module()(*longer), rope(*longer))
