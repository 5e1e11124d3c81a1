"""A borrower with the queries of its owner is its owner."""

import itertools

import pytest
import torch
from torch import nn

from blocks_attention.borrowed import BorrowedAttention
from blocks_attention.module import Attention
from blocks_positions.module import RoPE

D, P = 32, 8


def close(actual, expected, tolerance=1e-12):
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.fixture
def pair(distances, waves):
    """An owner, and a borrower with the same queries and output."""

    def made(option="rope", dtype=torch.float64):
        torch.manual_seed(0)
        more = {
            "none": {},
            "rope": {"position": RoPE(P, rotary_dim=4)},
            "bias": {"position": distances(4), "position_at": "scores", "score_cap": 0.8},
            "infused": {"position": waves(D), "position_at": "stream"},
            "norm": {"q_norm": nn.RMSNorm(P), "k_norm": nn.RMSNorm(P), "score_scale": 0.7},
        }[option]
        sizes = {"n_heads": 4, "n_kv_heads": 2, "head_dim": P, "qkv_bias": True}
        owner = Attention(D, **sizes, **more).to(dtype)
        borrower = BorrowedAttention(D, **sizes, **{k: v for k, v in more.items() if k != "k_norm"}).to(dtype)
        with torch.no_grad():
            borrower.q_proj.weight.copy_(owner.qkv_proj.weight[: 4 * P])
            borrower.q_proj.bias.copy_(owner.qkv_proj.bias[: 4 * P])
            borrower.out_proj.weight.copy_(owner.out_proj.weight)
        return owner, borrower

    return made


@torch.no_grad()
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("option", ["none", "rope", "bias", "infused", "norm"])
def test_it_is_its_owner_whole_and_in_pieces(pair, option, padded):
    owner, borrower = pair(option)
    x = torch.randn(3, 13, D, dtype=torch.float64)
    mask = torch.rand(3, 13) < 0.6 if padded else None
    real = slice(None) if mask is None else mask
    expected, _ = owner(x, None, mask)
    for cuts in ((), (1,), (5, 6), range(1, 13)):
        ys, state = [], None
        for start, end in itertools.pairwise((0, *cuts, 13)):
            piece, here = x[:, start:end], None if mask is None else mask[:, start:end]
            _, state = owner(piece, state, here)
            y, kept = borrower(piece, None, here, state)
            assert kept is None
            ys.append(y)
        close(torch.cat(ys, dim=1)[real], expected[real])


def test_what_it_needs_and_what_it_refuses(pair):
    owner, borrower = pair()
    x = torch.randn(1, 3, D, dtype=torch.float64)
    _, kv = owner(x)
    with pytest.raises(ValueError, match="give it the owner's state as kv"):
        borrower(x)
    with pytest.raises(ValueError, match="keeps no state"):
        borrower(x, kv, kv=kv)


def test_gradients_reach_the_owner(pair):
    owner, borrower = pair()
    x = torch.randn(2, 6, D, dtype=torch.float64)
    y, _ = borrower(x, kv=owner(x)[1])
    y.square().sum().backward()
    queries, keys_values = owner.qkv_proj.weight.grad.split([4 * P, 4 * P])
    assert not queries.any()
    assert keys_values.any(dim=1).all()
    assert borrower.q_proj.weight.grad.any()


class Both(nn.Module):
    def __init__(self, owner, borrower):
        super().__init__()
        self.owner, self.borrower = owner, borrower

    def forward(self, x, state=None, mask=None):
        y, state = self.owner(x, state, mask)
        return y + self.borrower(x, None, mask, state)[0], state


@torch.no_grad()
@pytest.mark.parametrize("option", ["rope", "bias"])
def test_exports_and_compiles(pair, option):
    both = Both(*pair(option, torch.float32))
    B, T = torch.export.Dim("B"), torch.export.Dim("T")
    exported = torch.export.export(both, (torch.randn(2, 6, D),), dynamic_shapes=({0: B, 1: T},)).module()
    torch.compiler.reset()
    compiled = torch.compile(both, fullgraph=True, backend="eager")
    for shape in ((3, 2), (2, 19)):
        x = torch.randn(*shape, D)
        mask = torch.ones(shape, dtype=torch.bool)
        mask[0, 0] = False
        y, state = both(x)
        close(exported(x)[0], y, 1e-5)
        close(compiled(x)[0], y, 1e-5)
        close(compiled(x, None, mask)[0], both(x, None, mask)[0], 1e-5)
        close(compiled(x[:, :1], state)[0], both(x[:, :1], state)[0], 1e-5)
