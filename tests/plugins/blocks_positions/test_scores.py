"""Positions in the scores: ALiBi against BLOOM's and MPT's slopes, relative buckets against T5's."""

import math

import pytest
import torch
from transformers import T5Config
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.t5.modeling_t5 import T5Attention

from blocks_positions.scores import ALiBi, RelativePositions


def relative(n_heads=3, **options):
    module = RelativePositions(n_heads, **options)
    module.init_weights(torch.Generator().manual_seed(0))
    return module


@pytest.mark.parametrize("n_heads", [*range(1, 18), 24, 32, 40, 71, 128])
def test_slopes_are_those_of_the_authors(n_heads):
    theirs = build_alibi_tensor(torch.ones(1, 2), n_heads, torch.float32)[:, 0, 1]
    slopes = ALiBi(n_heads).slopes(torch.device("cpu"))
    torch.testing.assert_close(slopes, theirs, rtol=1e-6, atol=0)


def test_slopes_of_eight_heads_are_halves():
    assert ALiBi(8).slopes(torch.device("cpu")).tolist() == [2.0**-i for i in range(1, 9)]


@pytest.mark.parametrize("n_heads", [4, 6])
def test_softmax_over_the_past_is_blooms(n_heads):
    scores, positions = torch.randn(1, n_heads, 9, 9), torch.arange(9)
    later = torch.ones(9, 9, dtype=torch.bool).triu(1)
    theirs = build_alibi_tensor(torch.ones(1, 9), n_heads, torch.float32).view(1, n_heads, 1, 9)
    ours = ALiBi(n_heads)(positions, positions)
    a, b = ((scores + bias).masked_fill(later, -math.inf).softmax(dim=-1) for bias in (ours, theirs))
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_a_key_after_the_query_counts_by_its_distance():
    bias = ALiBi(4)(torch.arange(6), torch.arange(6))
    assert torch.equal(bias, bias.mT)
    assert (bias.diagonal(dim1=-2, dim2=-1) == 0).all()


@pytest.mark.parametrize(("bidirectional", "is_decoder"), [(True, False), (False, True)])
@pytest.mark.parametrize(("n_buckets", "max_distance"), [(32, 128), (16, 20), (8, 1000)])
def test_relative_positions_are_t5s(n_buckets, max_distance, bidirectional, is_decoder):
    config = T5Config(
        d_model=12, d_kv=4, num_heads=3, relative_attention_num_buckets=n_buckets,
        relative_attention_max_distance=max_distance, is_decoder=is_decoder,
    )  # fmt: skip
    theirs = T5Attention(config, has_relative_attention_bias=True, layer_idx=0)
    ours = relative(n_buckets=n_buckets, max_distance=max_distance, bidirectional=bidirectional)
    with torch.no_grad():
        theirs.relative_attention_bias.weight.copy_(ours.weight)
    long = torch.arange(1500)
    assert torch.equal(ours(long, long)[None], theirs.compute_bias(1500, 1500))
    assert torch.equal(
        ours(long[700:720], long[:720])[None], theirs.compute_bias(20, 720, past_seen_tokens=700)
    )


@pytest.mark.parametrize("module", [ALiBi(3), relative(), relative(bidirectional=True)])
def test_shapes_follow_the_positions(module):
    queries, keys = torch.arange(4) + 5, torch.arange(9)
    alone = module(queries, keys)
    assert alone.shape == (3, 4, 9)
    rows = torch.stack((queries, queries + 7)), torch.stack((keys, keys))
    together = module(*rows)
    assert together.shape == (2, 3, 4, 9)
    assert torch.equal(together[0], alone)
    assert torch.equal(together[1], module(queries + 7, keys))
    assert torch.equal(module(rows[0], keys), together)


@pytest.mark.parametrize("module", [ALiBi(3), relative(), relative(bidirectional=True)])
def test_one_row_of_queries_is_a_row_of_all(module):
    positions = torch.arange(40)
    whole = module(positions, positions)
    for t in (0, 1, 17, 39):
        assert torch.equal(module(positions[t : t + 1], positions[: t + 1]), whole[:, t : t + 1, : t + 1])


@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_bucket_is_used_and_far_keys_share_one(bidirectional):
    module = relative(n_buckets=16, max_distance=40, bidirectional=bidirectional)
    found = module.buckets(torch.arange(-500, 501))
    unused = {8} if bidirectional else set()  # distance 0 after the query
    assert set(found.tolist()) == set(range(16)) - unused
    assert (module.buckets(torch.arange(-500, -39)) == (7 if bidirectional else 15)).all()
    after = module.buckets(torch.arange(1, 500))
    assert after.min() >= 8 if bidirectional else (after == 0).all()


def test_the_table_learns_and_starts_seeded():
    module, again = relative(n_buckets=8, max_distance=20), relative(n_buckets=8, max_distance=20)
    assert torch.equal(module.weight, again.weight)
    module(torch.arange(30), torch.arange(30)).sum().backward()
    assert (module.weight.grad > 0).all()


@pytest.mark.parametrize("module", [ALiBi(6), relative(), relative(bidirectional=True)])
def test_they_compile_and_export(module):
    queries, keys = torch.arange(5) + 3, torch.arange(8)
    expected = module(queries, keys)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    assert torch.equal(compiled(queries, keys), expected)
    shapes = ({0: torch.export.Dim("T")}, {0: torch.export.Dim("S")})
    exported = torch.export.export(module, (queries, keys), dynamic_shapes=shapes).module()
    more = torch.arange(11)
    torch.testing.assert_close(exported(more, more), module(more, more))
