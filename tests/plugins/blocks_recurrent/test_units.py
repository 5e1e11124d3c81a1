"""RNN, LSTM and GRU are torch.nn's: alone, in layers, both ways, on ragged rows and on packed documents."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import blocks
from blocks_recurrent.module import GRU, LSTM, RNN

D, H, P, T = 6, 5, 4, 11
DOUBLE = torch.float64
UNITS: dict[str, tuple[Any, Any]] = {
    "rnn": (lambda d, **rest: RNN(d, hidden=H, **rest), lambda d, **rest: nn.RNN(d, H, **rest)),
    "relu": (
        lambda d, **rest: RNN(d, hidden=H, activation="relu", **rest),
        lambda d, **rest: nn.RNN(d, H, nonlinearity="relu", **rest),
    ),
    "lstm": (lambda d, **rest: LSTM(d, hidden=H, **rest), lambda d, **rest: nn.LSTM(d, H, **rest)),
    "projected": (
        lambda d, **rest: LSTM(d, hidden=H, d_proj=P, **rest),
        lambda d, **rest: nn.LSTM(d, H, proj_size=P, **rest),
    ),
    "gru": (
        lambda d, **rest: GRU(d, hidden=H, reset_after=True, **rest),
        lambda d, **rest: nn.GRU(d, H, **rest),
    ),
}


def stirred(module: nn.Module) -> Any:
    generator = torch.Generator().manual_seed(0)
    for weight in module.parameters():
        nn.init.normal_(weight, std=0.4, generator=generator)
    return module.double()


def inputs(batch: int = 3, tokens: int = T, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, tokens, D, generator=generator, dtype=DOUBLE)


def assert_same(ours: object, theirs: object, tolerance: float = 1e-10) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def weights(unit: Any, suffix: str) -> dict[str, Tensor]:
    """The weights of one layer in one direction under the names of torch."""
    read, own, bias = unit.in_proj.weight, unit.recurrence.U, unit.in_proj.bias
    if hasattr(unit.recurrence, "U_gates"):  # torch's z is the share of the old
        sign = torch.ones(3 * H, dtype=DOUBLE)
        sign[H : 2 * H] = -1
        read, own = read * sign[:, None], torch.cat((unit.recurrence.U_gates, own)) * sign[:, None]
        found = {"weight_ih": read, "weight_hh": own}
        if bias is not None:
            gates = torch.zeros(2 * H, dtype=DOUBLE)
            found |= {"bias_ih": bias * sign, "bias_hh": torch.cat((gates, unit.recurrence.b))}
    else:
        found = {"weight_ih": read, "weight_hh": own}
        if unit.recurrence.b is not None:
            found |= {"bias_ih": unit.recurrence.b, "bias_hh": torch.zeros_like(unit.recurrence.b)}
        if getattr(unit.recurrence, "projection", None) is not None:
            found["weight_hr"] = unit.recurrence.projection
    return {f"{name}_{suffix}": weight.detach() for name, weight in found.items()}


def as_torch(layers: list[Any]) -> dict[str, Tensor]:
    """The weights of layers under the names of torch."""
    found: dict[str, Tensor] = {}
    for n, layer in enumerate(layers):
        for part, suffix in (
            (getattr(layer, "ahead", layer), ""),
            (getattr(layer, "back", None), "_reverse"),
        ):
            if part is not None:
                found |= weights(part, f"l{n}{suffix}")
    return found


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", UNITS)
def test_one_layer_is_torchs_with_its_state_and_gradients(name, bias):
    ours, theirs = (
        stirred(UNITS[name][0](D, bias=bias)),
        UNITS[name][1](D, bias=bias, batch_first=True).double(),
    )
    theirs.load_state_dict(as_torch([ours]))
    x = inputs().requires_grad_()
    _, state = ours(inputs(tokens=4, seed=5))
    state = type(state)(*(part.detach().requires_grad_() for part in state))
    given = tuple(part[None] for part in state)
    y, last = ours(x, state)
    wanted, hidden = theirs(x, given if len(given) > 1 else given[0])
    assert_same(y, wanted)
    assert_same(tuple(last), tuple(part[0] for part in (hidden if len(given) > 1 else (hidden,))))
    pull = torch.randn(y.shape, generator=torch.Generator().manual_seed(3), dtype=DOUBLE)
    mine = torch.autograd.grad((y * pull).sum(), (x, *state, ours.recurrence.U, ours.in_proj.weight))
    peer = torch.autograd.grad((wanted * pull).sum(), (x, *state, theirs.weight_hh_l0, theirs.weight_ih_l0))
    assert_same(mine[:-2], peer[:-2])
    rows = slice(2 * H, None) if name == "gru" else slice(None)  # those of h~, which U holds alone
    assert_same(mine[-2], peer[-2][rows])
    assert_same(mine[-1][rows], peer[-1][rows])


RECIPE = """
recipe: reader
d_model: {d}
vocab_size: 17
blocks:
  unit: {{mixer: {mixer}, hidden: {h}, direction: {direction}{options}}}
model:
  - embed: tokens
  - stack: {{layers: [{layers} x unit], norm: none, residual: none}}
"""
MIXERS = {"rnn": "rnn", "relu": "rnn", "lstm": "lstm", "projected": "lstm", "gru": "gru"}
OPTIONS = {"relu": ", activation: relu", "projected": f", d_proj: {P}", "gru": ", reset: after"}


def stack(name: str, direction: str, layers: int, kernels: str) -> Any:
    text = RECIPE.format(
        d=D, h=H, mixer=MIXERS[name], direction=direction, options=OPTIONS.get(name, ""), layers=layers
    )
    return stirred(blocks.build(blocks.load(text), dtype="float64", kernels=kernels))


def torchs(name: str, model: Any, **options: Any) -> Any:
    """torch.nn's module with the weights of a model's layers."""
    layers = [block.mixer for block in model.layers]
    theirs = UNITS[name][1](D, num_layers=len(layers), batch_first=True, **options).double()
    theirs.load_state_dict(as_torch(layers))
    return theirs


@pytest.mark.parametrize("kernels", ["reference", "torch"])
@pytest.mark.parametrize("name", UNITS)
def test_a_stack_of_layers_is_torchs_num_layers(name, kernels):
    model = stack(name, "forward", 3, kernels)
    theirs, tokens = (
        torchs(name, model),
        torch.randint(17, (3, T), generator=torch.Generator().manual_seed(1)),
    )
    y, state = model(tokens)
    wanted, hidden = theirs(model.embed(tokens))
    assert_same(y, wanted)
    parts = hidden if isinstance(hidden, tuple) else (hidden,)
    for n, layer in enumerate(state["layers"]):
        assert_same(tuple(layer), tuple(part[n] for part in parts))


@pytest.mark.parametrize("kernels", ["reference", "torch"])
@pytest.mark.parametrize("name", UNITS)
def test_both_ways_in_layers_on_ragged_rows_is_torchs_packed_sequence(name, kernels):
    model = stack(name, "bidirectional", 2, kernels)
    theirs = torchs(name, model, bidirectional=True)
    tokens = torch.randint(17, (4, T), generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([4, T, 1, 7])
    mask = torch.arange(T) < lengths[:, None]
    packed = nn.utils.rnn.pack_padded_sequence(
        model.embed(tokens), lengths, batch_first=True, enforce_sorted=False
    )
    wanted, _ = nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)
    y, _ = model(tokens, None, mask)
    assert_same(y[mask], wanted[mask])
    y, _ = model(tokens.flip(1), None, mask.flip(1))  # padding on the left, sequences read backwards
    turned, _ = nn.utils.rnn.pad_packed_sequence(
        theirs(
            nn.utils.rnn.pack_padded_sequence(
                reversed_rows(model.embed(tokens), lengths), lengths, batch_first=True, enforce_sorted=False
            )
        )[0],
        batch_first=True,
    )
    assert_same(y.flip(1)[mask], reversed_rows(turned, lengths)[mask])


def reversed_rows(x: Tensor, lengths: Tensor) -> Tensor:
    """The real tokens of each row from the last to the first; padding on the right stays."""
    return torch.stack(
        [torch.cat((row[:n].flip(0), row[n:])) for row, n in zip(x, lengths.tolist(), strict=True)]
    )


@torch.no_grad()
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("kernels", ["reference", "torch"])
@pytest.mark.parametrize("name", UNITS)
def test_packed_documents_are_torchs_of_each_document(name, kernels, direction):
    model = stack(name, direction, 2, kernels)
    theirs = torchs(name, model, bidirectional=direction == "bidirectional")
    documents = torch.tensor([[1, 1, 1, 2, 3, 3, 3, 3, 0, 0, 0], [0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2]])
    tokens = torch.randint(17, (2, T), generator=torch.Generator().manual_seed(1))
    y, _ = model(tokens, None, documents)
    for row, number in ((0, 1), (0, 2), (0, 3), (1, 1), (1, 2)):
        own = documents[row] == number
        assert_same(y[row, own], theirs(model.embed(tokens[row, own])[None])[0][0])


def cell(m: Any, x: Tensor) -> Tensor:
    """Gers and Schmidhuber 2000 and Sak et al. 2014, equations 1 to 6, a token at a time."""
    W, U, b = m.in_proj.weight.chunk(4), m.recurrence.U.chunk(4), m.recurrence.b.chunk(4)
    p, R = m.recurrence.peepholes, m.recurrence.projection
    h, c, ys = torch.zeros(P, dtype=DOUBLE), torch.zeros(H, dtype=DOUBLE), []
    for x_t in x:
        i = torch.sigmoid(W[0] @ x_t + U[0] @ h + b[0] + p[0] * c)
        f = torch.sigmoid(W[1] @ x_t + U[1] @ h + b[1] + p[1] * c)
        g = torch.tanh(W[2] @ x_t + U[2] @ h + b[2])
        c = f * c + i * g
        o = torch.sigmoid(W[3] @ x_t + U[3] @ h + b[3] + p[2] * c)
        h = R @ (o * torch.tanh(c))
        ys.append(h)
    return torch.stack(ys)


@torch.no_grad()
def test_peepholes_and_projection_are_the_equations():
    m, x = stirred(LSTM(D, hidden=H, d_proj=P, peepholes=True)), inputs(batch=1)
    assert_same(m(x)[0][0], cell(m, x[0]), tolerance=1e-12)


def test_weights_start_as_the_literature_says():
    options = ", d_proj: 24, peepholes: true, forget_bias: 2.0"
    text = RECIPE.format(d=48, h=32, mixer="lstm", direction="forward", layers=1, options=options)
    model = blocks.build(blocks.load(text))
    unit: Any = model.layers[0].mixer
    i, f, g, o = unit.recurrence.b.chunk(4)
    assert (f == 2).all()
    assert not torch.cat((i, g, o, *unit.recurrence.peepholes)).any()
    for weight in unit.recurrence.U.chunk(4):  # [32, 24]: orthonormal columns
        assert_same(weight.T @ weight, torch.eye(24), tolerance=1e-5)
    assert_same(unit.recurrence.projection @ unit.recurrence.projection.T, torch.eye(24), tolerance=1e-5)
    bound = (6 / (48 + 32)) ** 0.5
    assert 0.98 * bound < unit.in_proj.weight.abs().max() <= bound
