"""Declarations of the recurrent mixers: widths, defaults, costs as torch counts them, complaints, drawings."""

from importlib import import_module
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from blocks import BlocksError, Call, Mixer, Polynomial, Sizes, load
from blocks_feedforward.specs import MLP
from blocks_recurrent.score_specs import Additive, Dot, General, ScaledDot
from blocks_recurrent.specs import Bahdanau, Maxout
from blocks_recurrent.unit_specs import GRU, LSTM, RNN

WIDTHS = (16, 20, 33)
ALONE = [
    GRU(), GRU(hidden=7, reset="after"), GRU(hidden=9, bias=False, reset="after"), GRU(direction="backward"),
    GRU(direction="bidirectional", hidden=5), GRU(direction="bidirectional", reset="after", bias=False),
    RNN(), RNN(hidden=7, activation="relu", bias=False), RNN(direction="backward"), RNN(direction="bidirectional"),
    LSTM(), LSTM(hidden=9, d_proj=4), LSTM(hidden=7, peepholes=True), LSTM(bias=False, direction="backward"),
    LSTM(direction="bidirectional", hidden=6, d_proj=5, peepholes=True), LSTM(d_proj=3, bias=False),
    Maxout(), Maxout(d_out=6, pieces=3, bias=False),
]  # fmt: skip
READERS = [
    Bahdanau(), Bahdanau(hidden=7, bias=False), Bahdanau(hidden=24, score=Dot(), readout="current"),
    Bahdanau(hidden=24, score=ScaledDot(), readout="groundhog"), Bahdanau(hidden=9, score=General()),
    Bahdanau(hidden=8, score=Additive(hidden=5), readout="groundhog"),
]  # fmt: skip
M = 24


def bound(mixer: Mixer, width: int) -> Mixer:
    mixer = mixer.reading(M) if isinstance(mixer, Bahdanau) else mixer
    assert not list(mixer.check(Sizes(width)))
    return mixer.bind(Sizes(width))


def made(call: Call) -> Any:
    module, _, name = call.target.partition(":")
    options = {key: made(value) if isinstance(value, Call) else value for key, value in call.kwargs.items()}
    arguments = [made(value) if isinstance(value, Call) else value for value in call.args]
    with torch.device("meta"):
        return getattr(import_module(module), name)(*arguments, **options)


def count(module: Any, *arguments: Any) -> tuple[int, Any]:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        result = module(*arguments)
    return counter.get_total_flops(), result


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("mixer", [*ALONE, *READERS], ids=lambda mixer: f"{mixer.name}")
def test_cost_is_what_torch_counts(mixer, width):
    mixer = bound(mixer, width)
    module, cost = made(mixer.call(width)), mixer.cost()
    assert cost.parameters(width) == sum(p.numel() for p in module.parameters())
    for tokens, source in ((1, 3), (5, 4), (8, 11)):
        memory = [None, None, (torch.empty(1, source, M, device="meta"), None)]
        x = torch.empty(1, tokens, width, device="meta")
        counted, (y, state) = count(module, x, *(memory if isinstance(mixer, Bahdanau) else []))
        assert cost.forward(tokens, width, source) == counted
        assert y.shape == (1, tokens, mixer.out_width(width))
        held = [part for part in state or () if part is not None and part.is_floating_point()]
        cell = getattr(state, "cell", x[:0]).numel()  # in fp32 whatever the dtype of the model
        assert cost.state_bytes(tokens, width, 1, source) == sum(part.numel() for part in held) + 3 * cell
        if "cached" in mixer.capabilities():
            counted, _ = count(module, x[:, :1], state)
            assert cost.decode(tokens, width, source) == counted


@pytest.mark.parametrize("mixer", [*ALONE, *READERS], ids=lambda mixer: f"{mixer.name}")
def test_what_is_inside_adds_up(mixer):
    mixer = bound(mixer, 16)
    ops = mixer.inside().ops
    assert sum(Polynomial.of(op.params).number(D=16) for op in ops) == mixer.cost().parameters(16)
    assert Polynomial.of(ops[-1].shape[-1]).number(D=16) == mixer.out_width(16)
    names = [op.name for op in ops]
    assert all(name in {"x", "memory", *names[:at]} for at, op in enumerate(ops) for name in op.inputs)
    assert {name.split(".")[0] for name, _ in made(mixer.call(16)).named_parameters()} <= {
        name.split(".")[0] for name in names
    }


@pytest.mark.parametrize("mixer", ALONE, ids=lambda mixer: f"{mixer.name}")
def test_a_cost_is_known_before_the_sizes_are(mixer):
    assert mixer.cost().parameters(16) == mixer.bind(Sizes(16)).cost().parameters(16)


def test_defaults_and_widths():
    assert GRU().bind(Sizes(12)).hidden == 12
    assert GRU(direction="bidirectional", hidden=5).out_width(12) == 10
    assert RNN().bind(Sizes(12)).out_width(12) == LSTM().bind(Sizes(12)).out_width(12) == 12
    assert LSTM(hidden=20, d_proj=5).bind(Sizes(12)).out_width(12) == 5
    assert LSTM(hidden=20, d_proj=5, direction="bidirectional").bind(Sizes(12)).out_width(12) == 10
    assert Maxout().bind(Sizes(12)).out_width(12) == 12
    reader = Bahdanau().reading(M).bind(Sizes(10))
    assert (reader.hidden, reader.score.hidden, reader.score.key_width) == (12, 12, M)
    assert reader.out_width(10) == 12 + 10 + M


@pytest.mark.parametrize("unit", [RNN, LSTM, GRU])
def test_capabilities_of_units(unit):
    assert unit().capabilities() == {"causal", "cached", "padded", "packed"}
    assert unit(direction="backward").capabilities() == {"padded", "packed"}
    assert unit(direction="bidirectional").capabilities() == {"padded", "packed"}


def test_what_has_no_bound_is_waived_with_a_reason():
    assert RNN().waivers() == LSTM().waivers() == GRU().waivers() == {}
    waived = RNN(activation="relu").waivers()
    assert set(waived) == {"many_tokens", "precision_fp32", "precision_bf16", "decoding"}
    assert all("grow from token to token" in reason for reason in waived.values())


def test_capabilities():
    assert Bahdanau().capabilities() == {"causal", "cached", "padded", "cross"}


@pytest.mark.parametrize(
    ("mixer", "message", "code", "field", "help"),
    [
        (
            Bahdanau(),
            "bahdanau reads the annotations of another stream, and none is named",
            "B0350", "memory", "memory: encoder",
        ),
        (
            Bahdanau().reading(25),
            "the memory is 25 channels wide, and an annotation has two equal halves",
            "B0351", "memory", "end the memory's stream with a bidirectional gru",
        ),
        (
            Bahdanau(score=Dot(), hidden=6).reading(M),
            "queries of 6 channels have no dot product with keys of 24",
            "B0352", "score", "use the score general or additive, or a memory of 6 channels",
        ),
    ],
)  # fmt: skip
def test_complaints(mixer, message, code, field, help):
    (found,) = mixer.check(Sizes(16))
    assert (found.message, found.code, found.field, found.help) == (message, code, field, help)


RECIPE = """
recipe: translator
d_model: 16
vocab_size: 40
blocks:
  reader: {{mixer: gru, {reader}}}
  writer: {{mixer: bahdanau, {writer}}}
model:
  source:
    - embed: tokens
    - stack: {{layers: reader, norm: none, residual: none}}
  target:
    - embed: tokens
    - stack: {{layers: writer, norm: none, residual: none}}
    - head: lm
"""


@pytest.mark.parametrize(
    ("reader", "writer", "code", "marked"),
    [
        ("hidden: 15", "hidden: 8, memory: source", "B0351", "source"),
        ("hidden: 12", "hidden: 8, memory: source, score: scaled_dot", "B0352", "scaled_dot"),
    ],
)
def test_a_caret_stands_under_what_is_wrong(reader, writer, code, marked):
    with pytest.raises(BlocksError) as raised:
        load(RECIPE.format(reader=reader, writer=writer)).plan()
    (found,) = raised.value.diagnostics
    assert found.code == code
    text = RECIPE.format(reader=reader, writer=writer).splitlines()
    assert text[found.span.line - 1][found.span.column - 1 :].startswith(marked)


@pytest.mark.parametrize(
    ("sentence", "mixers"),
    [
        ("interleaved GRU and FFN", (GRU(hidden=16), MLP(d_ff=64))),
        (
            "interleaved bidirectional GRU with hidden 8 and FFN",
            (GRU(hidden=8, direction="bidirectional"), MLP(d_ff=64)),
        ),
        (
            "interleaved LSTM with hidden 24 and d_proj 16 and FFN",
            (LSTM(hidden=24, d_proj=16), MLP(d_ff=64)),
        ),
        (
            "interleaved bidirectional LSTM with hidden 8 and backward RNN",
            (
                LSTM(hidden=8, direction="bidirectional"),
                RNN(hidden=16, direction="backward"),
            ),
        ),
        ("interleaved long short-term memory and Elman network", (LSTM(hidden=16), RNN(hidden=16))),
        ("interleaved gated recurrent unit and maxout layer", (GRU(hidden=16), Maxout(d_out=16))),
    ],
)
def test_sentences(sentence, mixers):
    plan = load(f"recipe: a\nd_model: 16\nvocab_size: 40\ndepth: 4\nmodel: {sentence}\n").plan()
    assert [dict(layer.type.mixer) for layer in plan.layers[:2]] == [dict(mixer) for mixer in mixers]
