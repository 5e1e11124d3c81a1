"""Torch's own kernels against the references: outputs, states and gradients, on every kind of batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import blocks
from blocks import Target
from blocks_recurrent import fused, kernels
from blocks_recurrent.unit_specs import GRU, GRU_TORCH, LSTM, LSTM_TORCH, RNN, RNN_TORCH

B, T, D, H, P = 4, 9, 6, 5, 3


def drawn(dtype: torch.dtype, *shapes: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(len(shapes))
    return [
        (0.7 * torch.randn(shape, generator=generator, dtype=torch.float64)).to(dtype).requires_grad_()
        for shape in shapes
    ]


OPS: dict[str, tuple[str, tuple[tuple[int, ...], ...], dict[str, Any], int]] = {
    "tanh": ("rnn", ((B, H), (H, D), (H, H), (H,)), {}, 1),
    "relu": ("rnn", ((B, H), (H, D), (H, H)), {"activation": "relu"}, 1),
    "lstm": ("lstm", ((B, H), (B, H), (4 * H, D), (4 * H, H), (4 * H,)), {}, 2),
    "lstm without biases": ("lstm", ((B, H), (B, H), (4 * H, D), (4 * H, H)), {}, 2),
    "projected": ("lstm", ((B, P), (B, H), (4 * H, D), (4 * H, P), (4 * H,), (P, H)), {}, 2),
    "gru": ("gru", ((B, H), (3 * H, D), (3 * H,), (2 * H, H), (H, H), (H,)), {"reset_after": True}, 1),
    "gru without biases": ("gru", ((B, H), (3 * H, D), (2 * H, H), (H, H)), {"reset_after": True}, 1),
}
REAL = torch.tensor([[1] * 9, [0, 1, 0, 1, 1, 0, 0, 1, 0], [0] * 9, [1, 1, 1, 0, 0, 0, 0, 0, 0]]).bool()
DOCUMENTS = torch.tensor([[1] * 9, [0, 1, 0, 1, 2, 0, 0, 3, 0], [0] * 9, [1, 1, 2, 2, 2, 3, 4, 4, 4]])
STARTS = torch.zeros(B, T, dtype=torch.bool)
for row, at in ((0, 0), (1, 1), (1, 4), (1, 7), (3, 0), (3, 2), (3, 5), (3, 6)):
    STARTS[row, at] = True
BATCHES: dict[str, dict[str, Tensor | None]] = {
    "whole": {},
    "padded": {"real": REAL},
    "documents": {"real": DOCUMENTS > 0, "starts": STARTS},
    "padding alone": {"real": torch.zeros(B, T, dtype=torch.bool)},
}


def arguments(name: str, given: list[Tensor]) -> dict[str, Any]:
    """The tensors of an op by the name of its parameter."""
    names = {
        "tanh": ("h", "W", "U", "bias"), "relu": ("h", "W", "U"),
        "lstm": ("h", "c", "W", "U", "bias"), "lstm without biases": ("h", "c", "W", "U"),
        "projected": ("h", "c", "W", "U", "bias", "projection"),
        "gru": ("h", "W", "bias", "U_gates", "U", "b"), "gru without biases": ("h", "W", "U_gates", "U"),
    }[name]  # fmt: skip
    found = dict(zip(names, given, strict=True))
    return found | ({"bias": None} if name == "gru without biases" else {})


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", OPS)
def test_outputs_states_and_gradients_are_those_of_the_reference(name, batch):
    op, shapes, options, states = OPS[name]
    x, *given = drawn(torch.float64, (B, T, D), *shapes)
    rest = {**arguments(name, given), **options, **BATCHES[batch]}
    outcome = []
    for function in (getattr(kernels, op), getattr(fused, op)):
        y, *last = function(x, **rest)
        kept = [] if "starts" in BATCHES[batch] else last  # documents leave no state
        assert len(last) == states
        loss = sum(((n + 2) * part.square()).sum() for n, part in enumerate([y, *kept]))
        grads = torch.autograd.grad(loss, [x, *given], allow_unused=True, materialize_grads=True)
        outcome.append((y, kept, grads))
    torch.testing.assert_close(*outcome, rtol=1e-10, atol=1e-10)


def test_a_projection_warns_of_nothing():
    """Warnings are errors here, and oneDNN warns where it is asked for a projection."""
    x, *given = drawn(torch.float32, (B, T, D), *OPS["projected"][1])
    rest = arguments("projected", given)
    torch.testing.assert_close(fused.lstm(x, **rest), kernels.lstm(x, **rest))


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[int]:
    """Grows with each call of torch's function."""
    calls: list[int] = []
    real: Callable[..., Any] = getattr(torch._VF, name)  # type: ignore[attr-defined]
    monkeypatch.setattr(torch._VF, name, lambda *args: calls.append(1) or real(*args))  # type: ignore[attr-defined]
    return calls


def lstm_arguments(dtype: torch.dtype = torch.float32, tokens: int = T) -> tuple[Tensor, dict[str, Any]]:
    x, *given = drawn(dtype, (B, tokens, D), *OPS["lstm"][1])
    return x, arguments("lstm", given)


def test_torchs_kernel_is_called_where_it_is_for_the_call(monkeypatch):
    calls = counted(monkeypatch, "lstm")
    fused.lstm(*(x := lstm_arguments())[:1], **x[1])
    assert len(calls) == 1
    for x, rest in (lstm_arguments(tokens=1), lstm_arguments(torch.bfloat16), lstm_arguments(tokens=0)):
        assert_equal(fused.lstm(x, **rest), kernels.lstm(x, **rest))
    x, rest = lstm_arguments()
    peepholes = torch.ones(3, H)
    assert_equal(fused.lstm(x, **rest, peepholes=peepholes), kernels.lstm(x, **rest, peepholes=peepholes))
    before = drawn(torch.float32, (B, T, D), *OPS["gru"][1])
    assert_equal(
        fused.gru(before[0], **arguments("gru", before[1:])),
        kernels.gru(before[0], **arguments("gru", before[1:])),
    )
    assert len(calls) == 1


def assert_equal(ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> None:
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_autocast_leaves_the_recurrence_in_the_dtype_of_the_weights():
    x, rest = lstm_arguments()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, h, c = fused.lstm(x.bfloat16(), **rest)
    wanted, _, last = fused.lstm(x.bfloat16().float(), **rest)
    assert (y.dtype, h.dtype, c.dtype) == (torch.bfloat16, torch.float32, torch.float32)
    assert torch.equal(c, last)
    assert torch.equal(y, wanted.bfloat16())


def test_weights_in_one_piece_are_the_same_weights():
    _, W, U, b = drawn(torch.float32, (1,), (4 * H, D), (4 * H, H), (4 * H,))
    parts = fused.in_one_piece([W, U, b])
    assert_equal(tuple(parts), (W, U, b))
    addresses = [part.data_ptr() for part in parts]
    assert addresses == [addresses[0] + 4 * n for n in (0, W.numel(), W.numel() + U.numel())]
    (grad,) = torch.autograd.grad(parts[1].square().sum(), U)
    assert torch.equal(grad, 2 * U)


@pytest.mark.parametrize(
    ("kernel", "component", "targets"),
    [
        (RNN_TORCH, RNN(), "all"),
        (LSTM_TORCH, LSTM(d_proj=4), "all"),
        (LSTM_TORCH, LSTM(peepholes=True), "none"),
        (GRU_TORCH, GRU(reset="after"), "all"),
        (GRU_TORCH, GRU(), "none"),
    ],
)
def test_where_they_run(kernel, component, targets):
    runs = {
        (device, dtype)
        for device in ("cpu", "cuda", "meta", "mps")
        for dtype in ("float32", "float64", "float16", "bfloat16")
        if kernel.runs(Target(device, dtype), component)
    }
    full = {("cpu", "float32"), ("cpu", "float64")} | {
        ("cuda", dtype) for dtype in ("float32", "float64", "float16", "bfloat16")
    }
    assert runs == (full if targets == "all" else set())


RECIPE = """
recipe: lm
d_model: 12
vocab_size: 17
blocks: {unit: {mixer: lstm}, other: {mixer: gru, reset: after}}
model: [{embed: tokens}, {stack: {layers: [unit, other]}}, {norm: rmsnorm}, {head: lm}]
"""


def test_auto_takes_them_and_weights_interchange():
    recipe = blocks.load(RECIPE)
    graph = blocks.compile_graph(recipe)
    assert {op: fast for op, (_, fast) in graph.graph["kernels"].items() if op in ("lstm", "gru")} == {
        "lstm": "blocks_recurrent.fused:lstm", "gru": "blocks_recurrent.fused:gru",
    }  # fmt: skip
    fast, plain = blocks.build(recipe), blocks.build(recipe, kernels="reference")
    plain.load_state_dict(fast.state_dict())
    tokens = torch.randint(17, (3, T), generator=torch.Generator().manual_seed(1))
    mask = torch.arange(T) >= torch.tensor([0, 4, 8])[:, None]
    (y, state), (wanted, kept) = fast(tokens, None, mask), plain(tokens, None, mask)
    torch.testing.assert_close(y[mask], wanted[mask])
    torch.testing.assert_close(fast(tokens, state)[0], plain(tokens, kept)[0])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch itself, while tracing
def test_a_compiled_model_is_one_graph_of_the_reference():
    model = blocks.build(blocks.load(RECIPE))
    tokens = torch.randint(17, (3, T), generator=torch.Generator().manual_seed(1))
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(tokens)[0], model(tokens)[0])
