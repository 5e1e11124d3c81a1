"""Cost formulas against torch's own counters, FlopCounterMode and numel, for every block at three shapes."""

from functools import partial

import pytest
import torch

from blocks import Component, Embedding, Mixer, Registry, Sizes
from blocks_attention.specs import GroupedQuery, MultiHead, MultiQuery, SlidingWindow
from blocks_compiler.backends.module import build_component
from blocks_compiler.conformance import cost
from blocks_compiler.conformance.subject import Subject
from blocks_embeddings.specs import Patches, Tokens
from blocks_feedforward.moe_specs import MoE
from blocks_feedforward.specs import MLP, GatedMLP, Linear, LowRank
from blocks_heads.specs import LM, Classifier, Hidden, MaskedLM, Pooler
from blocks_norms.specs import LayerNorm, RMSNorm
from blocks_positions.specs import ALiBi, Learned, Relative, RoPE, Sinusoidal
from blocks_recurrent.score_specs import Dot, General
from blocks_recurrent.specs import Bahdanau, Maxout
from blocks_recurrent.unit_specs import GRU, LSTM, RNN
from blocks_ssm.specs import Mamba, Mamba2

WIDTHS = (32, 64, 96)
MIXERS: dict[str, list[Mixer]] = {
    "multi_head": [MultiHead(n_heads=4), MultiHead(n_heads=2, head_dim=24, qkv_bias=True, position=RoPE())],
    "grouped_query": [
        GroupedQuery(n_heads=8, n_kv_heads=2),
        GroupedQuery(n_heads=16, head_dim=8, out_bias=True),
        GroupedQuery(n_heads=8, n_kv_heads=2, qk_norm=RMSNorm(), qk_norm_over="projection"),
    ],
    "multi_query": [MultiQuery(n_heads=4), MultiQuery()],
    "sliding_window": [SlidingWindow(n_heads=4, window=8), SlidingWindow(n_heads=4, n_kv_heads=2, window=20)],
    "mlp": [MLP(), MLP(d_ff=50, activation="relu2", bias=True)],
    "gated_mlp": [GatedMLP(), GatedMLP(d_ff=40, activation="reglu", bias=True)],
    "moe": [
        MoE(),
        MoE(n_experts=5, top_k=3, d_ff=12, activation="relu2", bias=True, shared_d_ff=20),
        MoE(n_experts=4, top_k=1, renormalise=False, d_ff=10, latent=8, scoring="sigmoid", choice_bias=True),
    ],
    "linear": [Linear(), Linear(d_out=7, bias=True)],
    "low_rank": [LowRank(), LowRank(rank=3)],
    "mamba": [
        Mamba(),
        Mamba(d_inner=80, dt_rank=3, d_state=4, d_conv=3, chunk_size=8, bias=True, conv_bias=False),
    ],
    "gru": [GRU(), GRU(hidden=20, reset="after"), GRU(hidden=12, direction="bidirectional", bias=False)],
    "rnn": [RNN(), RNN(hidden=20, activation="relu"), RNN(hidden=12, direction="bidirectional", bias=False)],
    "lstm": [LSTM(), LSTM(hidden=20, d_proj=12, peepholes=True), LSTM(direction="bidirectional", bias=False)],
    "bahdanau": [
        Bahdanau().reading(40),
        Bahdanau(hidden=40, score=Dot(), readout="groundhog").reading(40),
        Bahdanau(hidden=24, score=General(), readout="current", bias=False).reading(40),
    ],
    "maxout": [Maxout(), Maxout(d_out=20, pieces=3, bias=False)],
    "mamba2": [
        Mamba2(head_dim=16),
        Mamba2(n_heads=6, head_dim=8, d_state=24, n_groups=3, d_conv=2, chunk_size=16, bias=True),
        Mamba2(n_heads=4, head_dim=8, gated_norm=False, conv_bias=False, chunk_size=32),
    ],
}
SHAPES = [
    pytest.param(partial(Subject, mixer, width), id=f"{name}-{number}-{width}")
    for name, mixers in MIXERS.items()
    for number, mixer in enumerate(mixers)
    for width in WIDTHS
]
OTHERS: dict[str, list[Component]] = {
    "embedding": [
        Tokens(),
        Tokens(vocab_size=7),
        Tokens(scale=2.0, n_types=2),
        Tokens(dim=8, bias=True),
        Tokens(width=9),
        Patches(image_size=8, patch_size=4),
        Patches(image_size=6, patch_size=2, channels=1, class_token=False, bias=False),
    ],
    "head": [
        LM(),
        LM(bias=True, vocab_size=11),
        LM(dim=8, scale=0.5, logit_cap=30.0),
        MaskedLM(tied=False),
        MaskedLM(tied=False, dim=8),
        Classifier(),
        Classifier(n_classes=3, pool="mean", pooler=True, bias=False),
        Hidden(),
        Pooler(),
        Pooler(pool="last"),
    ],
    "norm": [RMSNorm(), RMSNorm(unit_offset=True), LayerNorm(), LayerNorm(bias=False)],
    "position": [Learned(max_len=19, offset=2), Sinusoidal(), Sinusoidal(halves=True)],
}
IN_MIXERS = {RoPE, ALiBi, Relative}
"""Positions that are called by a mixer, with more than the stream."""
PARTS = [
    pytest.param(component, width, id=f"{component.name}-{number}-{width}")
    for components in OTHERS.values()
    for number, component in enumerate(components)
    for width in WIDTHS
]


def test_every_registered_block_is_here():
    registry = Registry.installed(plugins=False)
    assert set(registry.names("mixer")) == MIXERS.keys()
    for kind, components in OTHERS.items():
        named = {registry.find(kind, name).load() for name in registry.names(kind)} - IN_MIXERS
        assert named == {type(component) for component in components}


@pytest.mark.parametrize("make", SHAPES)
def test_mixer(make):
    subject = make()
    cost.parameters(subject)
    cost.flops(subject)
    if "cached" in subject.can:
        cost.step_flops(subject)
        cost.state_size(subject)


@pytest.mark.parametrize(("component", "width"), PARTS)
def test_part(component, width):
    sizes = Sizes(width, vocab_size=101)
    bound = component.bind(sizes)
    module = build_component(bound, width, device="meta")
    declared = bound.cost()
    assert declared.parameters(width) == sum(parameter.numel() for parameter in module.parameters())
    for tokens in (1, 5, 16):
        x = torch.empty(1, tokens, width, device="meta")
        if isinstance(bound, Embedding):
            read = bound.inputs()[0]
            shape = [{"B": 1, "T": tokens}.get(str(size), size) for size in read.shape]
            x = torch.empty(shape, dtype=getattr(torch, read.dtype), device="meta")
        counted, _ = cost.count_flops(module, x)
        assert declared.forward(tokens, width) == counted


def test_a_position_counts_what_it_has_seen():
    for component in (Learned(max_len=9), Sinusoidal()):
        _, state = build_component(component, 8)(torch.zeros(3, 5, 8))
        assert component.cost().state_bytes(5, 8, 4) == state[:1].nbytes


def test_a_tied_head_owns_no_table():
    bound = LM(tied=True, bias=True).bind(Sizes(8, vocab_size=10))
    assert bound.cost().parameters(8) == 10
    assert bound.cost().forward(3, 8) == 2 * 10 * 8 * 3


@pytest.mark.parametrize("chunk", [8, 64])
def test_between_whole_chunks_the_scan_costs_no_more_than_declared(chunk):
    subject = Subject(Mamba2(n_heads=4, head_dim=8, d_state=8, chunk_size=chunk), 32)
    module = subject.fresh(device="meta")
    for tokens in (2, chunk - 1, chunk + 1, 2 * chunk + 3):
        counted, _ = cost.count_flops(module, torch.empty(1, tokens, 32, device="meta"))
        assert counted <= subject.cost.forward(tokens, 32)
