"""What attention complains about, and what it fills in."""

import pytest

from blocks import Sizes
from blocks_attention.specs import GroupedQuery, MultiHead, MultiQuery, SlidingWindow
from blocks_positions.specs import Learned, RoPE

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


@pytest.mark.parametrize(
    ("mixer", "code", "field", "help"),
    [
        (MultiHead(n_heads=12), "B0307", "n_heads", "use 8 or 16 heads, or set head_dim"),
        (
            MultiHead(head_dim=48),
            "B0307",
            "head_dim",
            "set n_heads as well: head_dim is free of d_model then",
        ),
        (MultiHead(n_heads=8, n_kv_heads=3), "B0306", "n_kv_heads", "n_kv_heads is one of 1, 2, 4, 8"),
        (
            MultiHead(mask="bidirectional", window=8),
            "B0312",
            "window",
            "leave out window, or use mask: causal",
        ),
        (MultiHead(position=Learned()), "B0313", "position", "write `- position: ...` after `- embed: ...`"),
        (
            MultiHead(n_heads=8, head_dim=3, position=RoPE()),
            "B0314",
            "position.rotary_dim",
            "an even number up to head_dim",
        ),
        (MultiHead(position=RoPE(scaling="linear")), "B0202", "position.scaling", "add factor"),
        (
            MultiHead(position=RoPE(factor=2.0)),
            "B0312",
            "position.factor",
            "leave it out, or choose another scaling",
        ),
    ],
)
def test_complaints(mixer: MultiHead, code: str, field: str, help: str) -> None:
    (found,) = mixer.check(SIZES)
    assert (found.code, found.field, found.help) == (code, field, help)


def test_bidirectional_attention_is_not_causal() -> None:
    assert "causal" in MultiHead().capabilities()
    assert MultiHead(mask="bidirectional").capabilities() == {"padded"}


def test_fusing_merges_the_projections_and_keeps_the_parameters() -> None:
    mixer = MultiHead(n_heads=8, n_kv_heads=2, qkv_bias=True).bind(SIZES)
    inside = mixer.inside()
    fused = inside.fused()
    assert [op.name for op in inside.ops][:3] == ["q_proj", "k_proj", "v_proj"]
    assert [op.name for op in fused.ops] == ["qkv_proj", "scores", "out_proj"]
    totals = [sum((op.params for op in side.ops), start=0 * mixer.cost().params) for side in (inside, fused)]  # type: ignore[operator]
    assert totals[0] == totals[1] == mixer.cost().params
    assert fused.ops[1].inputs == ("qkv_proj",)
