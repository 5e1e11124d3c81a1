"""Attention sinks: the state stays bounded and holds the first and the latest tokens."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from blocks_attention.module import Attention
from blocks_attention.sinks import SinkAttention
from blocks_positions.module import RoPE

D, P = 32, 8


def make(window=4, global_tokens=3, dtype=torch.float64):
    torch.manual_seed(0)
    sizes = {"n_heads": 4, "n_kv_heads": 2, "head_dim": P, "position": RoPE(P)}
    return SinkAttention(D, window=window, global_tokens=global_tokens, **sizes).to(dtype)


@torch.no_grad()
@pytest.mark.parametrize(("window", "sinks"), [(1, 1), (1, 4), (4, 1), (4, 3), (3, 9)])
@pytest.mark.parametrize("tokens", [1, 5, 12, 60])
def test_the_state_is_what_full_attention_keeps_of_those_tokens(window, sinks, tokens):
    module = make(window, sinks)
    full = Attention(D, n_heads=4, n_kv_heads=2, head_dim=P, position=RoPE(P)).double()
    full.load_state_dict(module.state_dict())
    x = torch.randn(2, tokens, D, dtype=torch.float64)
    _, state = module(x)
    _, all_of_it = full(x)
    kept = [t for t in range(tokens) if t < sinks or t > tokens - window]
    torch.testing.assert_close(state.keys, all_of_it.keys[:, :, kept])
    torch.testing.assert_close(state.values, all_of_it.values[:, :, kept])
    assert state.mask is None
    assert state.seen.tolist() == [tokens] * 2


@torch.no_grad()
def test_a_padded_row_keeps_its_own_first_tokens():
    module = make()
    x = torch.randn(3, 20, D, dtype=torch.float64)
    mask = torch.zeros(3, 20, dtype=torch.bool)
    mask[0, 3:18], mask[1, ::5], mask[2] = True, True, True
    _, state = module(x, None, mask)
    assert state.mask.sum(dim=1).tolist() == [6, 4, 6]
    for row in range(3):
        _, own = module(x[row : row + 1, mask[row]])
        torch.testing.assert_close(state.keys[row, :, state.mask[row]], own.keys[0])


def test_the_state_does_not_grow_and_lets_go_of_the_prompt():
    module = make()
    _, state = module(torch.randn(1, 500, D, dtype=torch.float64))
    assert state.keys.shape[2] == 6
    assert state.keys.untyped_storage().nbytes() == state.keys.numel() * 8
    for _ in range(20):
        _, state = module(torch.randn(1, 7, D, dtype=torch.float64), state)
    assert state.keys.shape[2] == 6
    assert state.seen.item() == 640


@pytest.mark.parametrize("tokens", [1, 7, 14, 21, 700])
def test_flops_are_linear_in_the_tokens(tokens):
    module = make(dtype=torch.float32).to("meta")
    with FlopCounterMode(display=False) as counter:
        module(torch.empty(1, tokens, D, device="meta"))
    assert counter.get_total_flops() == 2 * D * P * 12 * tokens + 4 * 4 * P * tokens * min(tokens, 14)
