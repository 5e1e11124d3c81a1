"""What attention complains about."""

import pytest

from blocks import Sizes
from blocks_attention.specs import GroupedQuery, MultiHead, SlidingWindow
from blocks_norms.specs import RMSNorm
from blocks_positions.specs import ALiBi, Learned, Relative, RoPE, Sinusoidal

SIZES = Sizes(d_model=512)


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
        (
            MultiHead(global_tokens=4),
            "B0330",
            "global_tokens",
            "set window, or leave out global_tokens",
        ),
        (
            MultiHead(global_tokens=4, mask="bidirectional"),
            "B0330",
            "global_tokens",
            "set window, or leave out global_tokens",
        ),
        (
            MultiHead(qk_norm_over="projection"),
            "B0312",
            "qk_norm_over",
            "set qk_norm, or leave out qk_norm_over",
        ),
        (MultiHead(mask="bidirectional").reading(8), "B0331", "mask", "leave out mask"),
        (MultiHead(window=8).reading(8), "B0331", "window", "leave out window"),
        (SlidingWindow().reading(8), "B0331", "window", "use multi_head"),
        (MultiHead(global_tokens=8).reading(8), "B0331", "global_tokens", "leave out global_tokens"),
        (
            MultiHead(position=RoPE(rotary_dim=3)).reading(8),
            "B0331",
            "position",
            "leave out position here: the memory's stream and this one have their own",
        ),
        (MultiHead(mask="bidirectional").borrowing(), "B0332", "mask", "leave out mask, or kv_from"),
        (MultiHead(window=8).borrowing(), "B0332", "window", "leave out window, or kv_from"),
        (SlidingWindow().borrowing(), "B0332", "window", "use multi_head"),
        (
            MultiHead(global_tokens=8).borrowing(),
            "B0332",
            "global_tokens",
            "leave out global_tokens, or kv_from",
        ),
        (
            MultiHead(position=Relative(n_buckets=1)),
            "B0338",
            "position.n_buckets",
            "at least 2; T5 has 32",
        ),
    ],
)
def test_complaints(mixer: MultiHead, code: str, field: str, help: str) -> None:
    (found,) = mixer.check(SIZES)
    assert (found.code, found.field, found.help) == (code, field, help)


@pytest.mark.parametrize(
    "mixer",
    [
        MultiHead(mask="bidirectional", window=8, global_tokens=2),
        SlidingWindow(global_tokens=4, position=RoPE()),
        MultiHead(position=Learned(), qk_norm=RMSNorm(), score_cap=50.0, score_scale=1.0),
        MultiHead(position=Sinusoidal()),
        MultiHead(n_heads=7, head_dim=64, position=ALiBi()),
        MultiHead(mask="causal", qk_norm=RMSNorm()).reading(7),
        GroupedQuery(n_heads=16, position=Relative()).borrowing(),
    ],
)
def test_no_complaint(mixer: MultiHead) -> None:
    assert not list(mixer.check(SIZES))
    assert not list(mixer.bind(SIZES).check(SIZES))
