"""What attention complains about, and what it fills in."""

import pytest

from blocks import Call, Mixer, Sizes
from blocks_attention.specs import GroupedQuery, MultiHead, MultiQuery, SlidingWindow
from blocks_norms.specs import RMSNorm
from blocks_positions.specs import ALiBi, Learned, RoPE

SIZES = Sizes(d_model=512)


@pytest.mark.parametrize(
    ("mixer", "bound"),
    [
        (MultiHead(), (8, 8, 64)),
        (MultiHead(n_heads=4), (4, 4, 128)),
        (MultiHead(head_dim=32), (16, 16, 32)),
        (MultiHead(n_heads=3, head_dim=100), (3, 3, 100)),
        (GroupedQuery(n_heads=16), (16, 8, 32)),
        (MultiQuery(n_heads=16), (16, 1, 32)),
        (SlidingWindow(), (8, 8, 64)),
    ],
)
def test_defaults_fill_in(mixer: MultiHead, bound: tuple[int, int, int]) -> None:
    assert not list(mixer.check(SIZES))
    found = mixer.bind(SIZES)
    assert (found.n_heads, found.n_kv_heads, found.head_dim) == bound


CAUSAL = {"causal", "cached", "padded", "packed"}


@pytest.mark.parametrize(
    ("mixer", "can"),
    [
        (MultiHead(), CAUSAL | {"cross", "borrows"}),
        (MultiHead(mask="bidirectional"), {"padded", "packed", "cross", "borrows"}),
        (SlidingWindow(mask="bidirectional"), {"padded", "packed", "cross", "borrows"}),
        (MultiHead().reading(8), CAUSAL | {"cross"}),
        (MultiHead().borrowing(), CAUSAL | {"borrows"}),
    ],
)
def test_capabilities(mixer: Mixer, can: set[str]) -> None:
    assert mixer.capabilities() == can


@pytest.mark.parametrize(
    ("mixer", "sight"),
    [
        (MultiHead(), ["x....", "xx...", "xxx..", "xxxx.", "xxxxx"]),
        (MultiHead(mask="bidirectional"), ["xxxxx"] * 5),
        (SlidingWindow(window=2), ["x....", "xx...", ".xx..", "..xx.", "...xx"]),
        (SlidingWindow(window=2, global_tokens=1), ["x....", "xx...", "xxx..", "x.xx.", "x..xx"]),
        (
            SlidingWindow(window=2, mask="bidirectional", global_tokens=1),
            ["xxxxx", "xxx..", "xxxx.", "x.xxx", "x..xx"],
        ),
        (MultiHead().reading(8), ["x....", ".x...", "..x..", "...x.", "....x"]),
    ],
)
def test_which_tokens_a_token_sees(mixer: Mixer, sight: list[str]) -> None:
    seen = ["".join(".x"[mixer.sees(query, key)] for key in range(5)) for query in range(5)]
    assert seen == sight


@pytest.mark.parametrize(
    ("mixer", "wanted"),
    [
        (MultiHead(mask="bidirectional"), True),
        (MultiHead(mask="bidirectional", position=RoPE()), False),
        (SlidingWindow(mask="bidirectional"), False),
        (MultiHead(), False),
        (MultiHead().reading(8), True),
    ],
)
def test_which_attention_is_equivariant(mixer: Mixer, wanted: bool) -> None:
    assert mixer.equivariant() is wanted


def test_a_short_table_of_positions_waives_long_sequences() -> None:
    reasons = [MultiHead(position=Learned(max_len=n)).waivers() for n in (256, 4096)]
    assert reasons == [{"many_tokens": "the table has 256 positions: a longer sequence is an error"}, {}]
    assert MultiHead(position=RoPE()).waivers() == {}


ALL = {"n_heads": 8, "n_kv_heads": 8, "head_dim": 64}


@pytest.mark.parametrize(
    ("mixer", "call"),
    [
        (MultiHead(), Call("blocks_attention.module:Attention", (512,), ALL)),
        (
            MultiHead(mask="bidirectional", qkv_bias=True),
            Call("blocks_attention.module:Attention", (512,), ALL | {"qkv_bias": True, "causal": False}),
        ),
        (
            SlidingWindow(window=9, score_cap=50.0),
            Call(
                "blocks_attention.window:SlidingWindowAttention",
                (512,),
                ALL | {"window": 9, "score_cap": 50.0},
            ),
        ),
        (
            MultiHead(window=9, global_tokens=4),
            Call("blocks_attention.sinks:SinkAttention", (512,), ALL | {"window": 9, "global_tokens": 4}),
        ),
        (
            MultiHead(window=9, global_tokens=1, mask="bidirectional"),
            Call("blocks_attention.local:LocalAttention", (512,), ALL | {"window": 9, "global_tokens": 1}),
        ),
        (
            MultiHead(score_scale=1.0).reading(24),
            Call(
                "blocks_attention.cross:CrossAttention",
                (512,),
                {"memory_width": 24} | ALL | {"score_scale": 1.0},
            ),
        ),
        (
            MultiHead(position=Learned(max_len=9)).borrowing(),
            Call(
                "blocks_attention.borrowed:BorrowedAttention",
                (512,),
                ALL | {"position": Learned(max_len=9).call(512), "position_at": "stream"},
            ),
        ),
        (
            MultiHead(position=ALiBi(), qk_norm=RMSNorm()),
            Call(
                "blocks_attention.module:Attention",
                (512,),
                ALL
                | {"position": ALiBi().call(8), "position_at": "scores"}
                | {"q_norm": RMSNorm().call(64), "k_norm": RMSNorm().call(64)},
            ),
        ),
        (
            GroupedQuery(n_heads=8, n_kv_heads=2, qk_norm=RMSNorm(), qk_norm_over="projection"),
            Call(
                "blocks_attention.module:Attention",
                (512,),
                ALL
                | {"n_kv_heads": 2, "q_norm": RMSNorm().call(512), "k_norm": RMSNorm().call(128)}
                | {"norm_over": "projection"},
            ),
        ),
    ],
)
def test_options_choose_the_module(mixer: MultiHead, call: Call) -> None:
    assert not list(mixer.check(SIZES))
    assert mixer.bind(SIZES).call(512) == call


@pytest.mark.parametrize(
    ("mixer", "lent"),
    [
        (MultiHead(), (8, 64, "keys not turned")),
        (GroupedQuery(n_heads=16, n_kv_heads=4, position=RoPE()), (4, 32, "rope()")),
        (MultiHead(position=RoPE(theta=5e5)), (8, 64, "rope(theta=500000.0)")),
        (MultiHead(position=ALiBi(), qk_norm=RMSNorm()), (8, 64, "keys not turned")),
        (MultiHead(mask="bidirectional"), None),
        (SlidingWindow(), None),
        (MultiHead().borrowing(), None),
        (MultiHead().reading(8), None),
    ],
)
def test_what_is_lent(mixer: MultiHead, lent: tuple[int, int, str] | None) -> None:
    assert mixer.bind(SIZES).lends() == lent
