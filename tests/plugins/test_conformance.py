"""Every mixer that blocks ships holds the conformance suite; low_rank and moe say why they waive a case."""

import re
from pathlib import Path

from blocks import Registry
from blocks.testing import conformance
from blocks_attention.specs import GroupedQuery, MultiHead, MultiQuery, SlidingWindow
from blocks_feedforward.moe_specs import MoE
from blocks_feedforward.specs import MLP, GatedMLP, Linear, LowRank
from blocks_norms.specs import LayerNorm, RMSNorm
from blocks_positions.specs import ALiBi, Learned, Relative, RoPE, Sinusoidal
from blocks_ssm.specs import Mamba, Mamba2

test_multi_head = conformance(MultiHead(n_heads=4, qkv_bias=True, out_bias=True), d_model=32)
test_rope = conformance(MultiHead(n_heads=2, head_dim=24, position=RoPE()), d_model=32)
test_bidirectional = conformance(MultiHead(n_heads=4, mask="bidirectional", position=RoPE()), d_model=32)
test_grouped_query = conformance(
    GroupedQuery(n_heads=8, n_kv_heads=2, head_dim=8, position=RoPE(rotary_dim=4)), d_model=32
)
test_multi_query = conformance(MultiQuery(n_heads=4), d_model=32)
test_sliding_window = conformance(
    SlidingWindow(n_heads=4, n_kv_heads=2, window=8, position=RoPE()), d_model=32
)
test_window_of_one = conformance(SlidingWindow(n_heads=2, window=1), d_model=16)
test_capped_and_normed = conformance(
    GroupedQuery(n_heads=4, n_kv_heads=2, qk_norm=RMSNorm(), score_cap=3.0, score_scale=0.5, position=RoPE()),
    d_model=32,
)
test_normed_over_the_projection = conformance(
    GroupedQuery(
        n_heads=4, n_kv_heads=2, qk_norm=RMSNorm(), qk_norm_over="projection", position=RoPE(), qkv_bias=True
    ),
    d_model=32,
)
test_alibi = conformance(MultiHead(n_heads=4, n_kv_heads=1, position=ALiBi()), d_model=32)
test_relative_in_a_window = conformance(SlidingWindow(n_heads=4, window=8, position=Relative()), d_model=32)
test_relative_both_ways = conformance(
    MultiHead(n_heads=4, mask="bidirectional", position=Relative(bidirectional=True), score_scale=1.0),
    d_model=32,
)
test_infused = conformance(MultiHead(n_heads=4, qkv_bias=True, position=Sinusoidal()), d_model=32)
test_infused_window = conformance(
    SlidingWindow(n_heads=4, window=8, position=Learned(max_len=4096)), d_model=32
)
test_sinks = conformance(
    SlidingWindow(n_heads=4, n_kv_heads=2, window=8, global_tokens=3, position=RoPE()), d_model=32
)
test_sinks_alone = conformance(
    SlidingWindow(n_heads=2, window=1, global_tokens=2, score_cap=5.0, position=ALiBi()), d_model=16
)
test_both_sides = conformance(
    MultiHead(n_heads=4, mask="bidirectional", window=6, position=RoPE(), score_cap=5.0), d_model=32
)
test_longformer = conformance(
    MultiHead(n_heads=4, n_kv_heads=2, mask="bidirectional", window=5, global_tokens=3, position=Relative()),
    d_model=32,
)
test_cross = conformance(
    MultiHead(n_heads=4, n_kv_heads=2, qkv_bias=True, out_bias=True, qk_norm=LayerNorm()).reading(24),
    d_model=32,
)
test_cross_normed_over_the_projection = conformance(
    MultiHead(n_heads=4, n_kv_heads=2, qk_norm=LayerNorm(), qk_norm_over="projection").reading(24),
    d_model=32,
)
test_cross_of_as_many_keys = conformance(MultiHead(n_heads=2).reading(24), d_model=16)
test_cross_capped = conformance(MultiQuery(n_heads=4, score_cap=5.0).reading(32), d_model=32)
test_borrower = conformance(
    GroupedQuery(n_heads=4, n_kv_heads=2, qk_norm=RMSNorm(), position=RoPE()).borrowing(), d_model=32
)
test_borrower_normed_over_the_projection = conformance(
    MultiHead(n_heads=4, head_dim=12, qk_norm=RMSNorm(), qk_norm_over="projection").borrowing(), d_model=32
)
test_borrower_with_alibi = conformance(
    MultiHead(n_heads=4, score_cap=5.0, position=ALiBi()).borrowing(), d_model=32
)
test_without_a_position = conformance(
    MultiHead(n_heads=4, n_kv_heads=2, mask="bidirectional", out_bias=True), d_model=32
)
test_linear = conformance(Linear(d_out=12, bias=True), d_model=16)
test_mlp = conformance(MLP(activation="relu2"), d_model=16)
test_gated_mlp = conformance(GatedMLP(activation="geglu", bias=True), d_model=16)
test_moe = conformance(MoE(n_experts=4, d_ff=24), d_model=16)
test_moe_as_in_deepseek_v3 = conformance(
    MoE(
        n_experts=6, top_k=2, d_ff=20, activation="relu2", bias=True, scoring="sigmoid", choice_bias=True,
        routed_scale=2.5, latent=8, shared_d_ff=24,
    ),
    d_model=16,
)  # fmt: skip
test_switch = conformance(MoE(n_experts=4, top_k=1, d_ff=20, renormalise=False), d_model=16)
test_mamba = conformance(Mamba(d_state=8, chunk_size=8), d_model=32)
test_mamba2 = conformance(Mamba2(n_heads=4, head_dim=16, d_state=8, chunk_size=8), d_model=32)
test_mamba2_in_groups = conformance(
    Mamba2(n_heads=8, head_dim=8, d_state=8, n_groups=4, chunk_size=16, bias=True, norm_before_gate=True),
    d_model=32,
)
test_mamba2_with_bounded_time_steps = conformance(
    Mamba2(n_heads=4, head_dim=8, d_state=8, chunk_size=8, dt_lower=0.01, dt_upper=0.05), d_model=16
)
test_low_rank = conformance(LowRank(rank=4), d_model=16)
test_dynamic_rope = conformance(
    MultiHead(n_heads=2, position=RoPE(scaling="dynamic", factor=2.0, original_max_len=8)), d_model=32
)
test_longrope = conformance(
    MultiHead(
        n_heads=2, head_dim=12,
        position=RoPE(
            scaling="longrope", rotary_dim=8, factor=4.0, original_max_len=8, short_factor=(1.0, 1.1, 1.0, 1.4),
            long_factor=(1.0, 2.5, 8.0, 30.0),
        ),
    ),
    d_model=32,
)  # fmt: skip
test_yarn_over_neighbours = conformance(
    MultiHead(n_heads=2, position=RoPE(scaling="yarn", factor=2.0, original_max_len=32, interleaved=True)),
    d_model=32,
)


def test_every_mixer_that_is_shipped_is_held_to_it() -> None:
    paths = Path(__file__).parent.rglob("test_conformance.py")
    held = {name for path in paths for name in re.findall(r"conformance\(\s*(\w+)\(", path.read_text())}
    shipped = {entry.load().__name__ for entry in Registry.installed(plugins=False).of_kind("mixer")}
    assert shipped <= held
