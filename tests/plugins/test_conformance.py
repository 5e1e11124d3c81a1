"""Every mixer that blocks ships holds the conformance suite, with no waiver."""

from blocks.testing import conformance
from blocks_attention.specs import GroupedQuery, MultiHead, MultiQuery, SlidingWindow
from blocks_feedforward.specs import MLP, GatedMLP
from blocks_positions.specs import RoPE
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
test_mlp = conformance(MLP(activation="relu2"), d_model=16)
test_gated_mlp = conformance(GatedMLP(activation="geglu", bias=True), d_model=16)
test_mamba = conformance(Mamba(d_state=8, chunk_size=8), d_model=32)
test_mamba2 = conformance(Mamba2(n_heads=4, head_dim=16, d_state=8, chunk_size=8), d_model=32)
test_mamba2_in_groups = conformance(
    Mamba2(n_heads=8, head_dim=8, d_state=8, n_groups=4, chunk_size=16, bias=True, norm_before_gate=True),
    d_model=32,
)
