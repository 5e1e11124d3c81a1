"""The inside of attention: every operation is wired, and their parameters are those of the cost."""

import pytest

from blocks import Polynomial, Sizes
from blocks_attention.specs import MultiHead, SlidingWindow
from blocks_norms.specs import RMSNorm
from blocks_positions.specs import ALiBi, Learned, Relative, RoPE

SIZES = Sizes(d_model=512)
MIXERS = {
    "plain": (MultiHead(n_kv_heads=2), "q_proj k_proj v_proj scores out_proj", "causal"),
    "rope": (MultiHead(position=RoPE()), "q_proj k_proj v_proj position scores out_proj", "causal"),
    "normed": (
        MultiHead(position=RoPE(), qk_norm=RMSNorm(), score_cap=50.0),
        "q_proj k_proj v_proj q_norm k_norm position scores out_proj",
        "causal, capped at 50",
    ),
    "normed together": (
        MultiHead(n_kv_heads=2, qk_norm=RMSNorm(), qk_norm_over="projection"),
        "q_proj k_proj v_proj q_norm k_norm scores out_proj",
        "causal",
    ),
    "biased": (
        MultiHead(position=Relative(), score_scale=1.0, qkv_bias=True),
        "q_proj k_proj v_proj position scores out_proj",
        "causal, scaled by 1",
    ),
    "infused": (
        MultiHead(position=Learned(max_len=9), out_bias=True),
        "position q_proj k_proj v_proj scores out_proj",
        "causal",
    ),
    "sinks": (
        SlidingWindow(global_tokens=4, position=ALiBi()),
        "q_proj k_proj v_proj position scores out_proj",
        "window 4096, 4 global tokens",
    ),
    "local": (
        MultiHead(mask="bidirectional", window=64),
        "q_proj k_proj v_proj scores out_proj",
        "window 64, both sides",
    ),
    "cross": (
        MultiHead(qk_norm=RMSNorm(), qkv_bias=True).reading(24),
        "q_proj k_proj v_proj q_norm k_norm scores out_proj",
        "over the memory",
    ),
    "borrower": (
        MultiHead(n_kv_heads=2, qk_norm=RMSNorm(), position=RoPE()).borrowing(),
        "q_proj q_norm position scores out_proj",
        "over borrowed keys",
    ),
}


@pytest.mark.parametrize("name", MIXERS)
def test_the_inside(name: str) -> None:
    mixer, names, label = MIXERS[name]
    bound = mixer.bind(SIZES)
    inside = bound.inside()
    assert [op.name for op in inside.ops] == names.split()
    assert inside.ops[-2].label == f"softmax attention, {label}"
    known = {"x", "memory"} if bound.memory_width else {"x"}
    for op in inside.ops:
        assert set(op.inputs) <= known
        known.add(op.name)
    read = {source for op in inside.ops for source in op.inputs}
    assert read >= known - {"out_proj"}
    for side in (inside, inside.fused()):
        total = sum((Polynomial.of(op.params) for op in side.ops), start=Polynomial())
        assert total == Polynomial.of(bound.cost().params)


def test_fusing_merges_what_reads_the_same() -> None:
    def fused(mixer: MultiHead) -> list[str]:
        return [op.name for op in mixer.bind(SIZES).inside().fused().ops]

    assert fused(MultiHead()) == ["qkv_proj", "scores", "out_proj"]
    assert fused(MultiHead(position=Learned())) == ["position", "qk_proj", "v_proj", "scores", "out_proj"]
    assert fused(MultiHead().reading(8)) == ["q_proj", "kv_proj", "scores", "out_proj"]


def test_what_is_not_bound_is_drawn_too() -> None:
    assert MultiHead(qk_norm=RMSNorm(), position=Relative()).inside().ops
