"""A window on both sides against Longformer's own code, and its cost."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import LongformerConfig
from transformers.models.longformer.modeling_longformer import LongformerSelfAttention

from blocks_attention.local import LocalAttention

D, P = 32, 8


@torch.no_grad()
@pytest.mark.parametrize("global_tokens", [0, 1, 3])
@pytest.mark.parametrize("padding", [0, 5])
def test_it_is_longformers_with_one_set_of_projections(global_tokens, padding):
    torch.manual_seed(0)
    side, T = 4, 48
    config = LongformerConfig(
        hidden_size=D, num_attention_heads=4, attention_window=[2 * side], attention_probs_dropout_prob=0.0
    )
    theirs = LongformerSelfAttention(config, layer_id=0).eval()
    ours = LocalAttention(
        D, n_heads=4, n_kv_heads=4, head_dim=P, window=side + 1, global_tokens=global_tokens, qkv_bias=True
    )
    for name in ("query", "key", "value"):
        getattr(theirs, name).weight.normal_(std=0.3)
        getattr(theirs, f"{name}_global").load_state_dict(getattr(theirs, name).state_dict())
    parts = [getattr(theirs, name) for name in ("query", "key", "value")]
    ours.qkv_proj.weight.copy_(torch.cat([part.weight for part in parts]))
    ours.qkv_proj.bias.copy_(torch.cat([part.bias for part in parts]))
    ours.out_proj.weight.copy_(torch.eye(D))
    x = torch.randn(2, T, D)
    mask = torch.ones(2, T, dtype=torch.bool)
    if padding:
        mask[:, -padding:] = False
    first = torch.arange(T).expand(2, -1) < global_tokens
    expected = theirs(
        x,
        attention_mask=torch.where(mask, 0.0, -10000.0).masked_fill(first, 10000.0),
        is_index_masked=~mask,
        is_index_global_attn=first,
        is_global_attn=bool(global_tokens),
    )[0]
    y, state = ours(x, None, mask if padding else None)
    assert state is None
    torch.testing.assert_close(y[mask], expected[mask], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("global_tokens", [0, 2])
def test_blocks_cost_what_they_show(global_tokens):
    W, C = 6, 6 + global_tokens
    sizes = {"n_heads": 4, "n_kv_heads": 2, "head_dim": P}
    module = LocalAttention(D, **sizes, window=W, global_tokens=global_tokens).to("meta")
    for T in (1, C, 3 * C, 4 * C, 4 * C + 1, 20 * C):
        with FlopCounterMode(display=False) as counter:
            module(torch.empty(2, T, D, device="meta"))
        whole = -(-T // C) * C
        seen = T * T if T <= 3 * C else whole * (2 * W + C + global_tokens) + global_tokens * T
        assert counter.get_total_flops() == 2 * (2 * D * P * 12 * T + 4 * 4 * P * seen)


def test_it_keeps_no_state_and_sees_itself():
    module = LocalAttention(D, n_heads=4, n_kv_heads=2, head_dim=P, window=3)
    x = torch.randn(1, 4, D)
    with pytest.raises(ValueError, match="keeps no state"):
        module(x, (x,))
    with pytest.raises(ValueError, match="at least 1, not 0"):
        LocalAttention(D, n_heads=4, n_kv_heads=2, head_dim=P, window=0)
