"""Rotary positions against transformers'; learned and sinusoidal ones against their definitions."""

import math

import pytest
import torch
from transformers import GPTNeoXConfig, LlamaConfig
from transformers.models.gpt_neox import modeling_gpt_neox as neox
from transformers.models.llama import modeling_llama as llama

from blocks_positions.module import LearnedPositions, LinearScaledRoPE, Llama3RoPE, RoPE, SinusoidalPositions

LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}


def llama_rope(q, k, positions, **rope):
    config = LlamaConfig(
        hidden_size=q.shape[-1] * 2,
        num_attention_heads=2,
        max_position_embeddings=131072,
        rope_parameters=rope,
    )
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


def learned():
    module = LearnedPositions(6, max_len=16)
    module.init_weights(torch.Generator().manual_seed(0))
    return module


@pytest.mark.parametrize("module", [learned(), SinusoidalPositions(6)])
@pytest.mark.parametrize("split", [0, 1, 5, 11])
def test_stage_positions_split(module, split):
    x = torch.randn(2, 11, 6)
    y, state = module(x)
    y1, state1 = module(x[:, :split])
    y2, state2 = module(x[:, split:], state1)
    assert torch.equal(torch.cat((y1, y2), dim=1), y)
    assert torch.equal(state2, state)
    assert state.dtype == torch.int64
    assert state.tolist() == [11, 11]


@pytest.mark.parametrize("module", [learned(), SinusoidalPositions(6)])
def test_stage_positions_count_real_tokens(module):
    x = torch.randn(1, 4, 6)
    y, state = module(x)
    for order, mask in (([0, 0, 0, 1, 2, 3], "001111"), ([0, 1, 2, 3, 0, 0], "111100")):
        real = torch.tensor([[c == "1" for c in mask]])
        z, after = module(x[:, order], None, real)
        assert torch.equal(z[real], y[0])
        assert torch.equal(after, state)
        assert torch.equal(module(x, after)[0], module(x, state)[0])


def test_sinusoids_are_the_papers():
    y, _ = SinusoidalPositions(6)(torch.zeros(1, 5, 6))
    for position in range(5):
        for i in range(3):
            angle = position / 10000 ** (2 * i / 6)
            assert y[0, position, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert y[0, position, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_odd_width_has_no_sinusoids():
    with pytest.raises(ValueError, match="even"):
        SinusoidalPositions(5)


def test_positions_past_the_table_are_errors():
    module = learned()
    with pytest.raises(ValueError, match=r"17 tokens are more than the 16 learned positions \(max_len\)"):
        module(torch.zeros(1, 17, 6))
    with pytest.raises(IndexError):
        module(torch.zeros(1, 1, 6), torch.tensor([16]))


def test_learned_positions_start_small_and_seeded():
    a, b = learned(), learned()
    assert torch.equal(a.weight, b.weight)
    assert 0.01 < a.weight.std() < 0.03


@pytest.mark.parametrize("module", [learned(), SinusoidalPositions(6)])
def test_stages_export_and_compile(module):
    shapes = ({0: torch.export.Dim("B"), 1: torch.export.Dim("T")},)
    exported = torch.export.export(module, (torch.randn(2, 5, 6),), dynamic_shapes=shapes).module()
    x = torch.randn(3, 7, 6)
    expected = module(x)
    torch.testing.assert_close(exported(x), expected)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), expected)
    torch.testing.assert_close(compiled(x[:, :1], expected[1]), module(x[:, :1], expected[1]))
