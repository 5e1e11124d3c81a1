"""Recurrent layers against torch.nn's, with the same weights: training steps, padded batches, one token a call.

    python benchmarks/recurrent.py [-o benchmarks/results/recurrent.md]

fp32, two layers of as many units as channels, interleaved medians of CPU time on one thread; `train` is forward and
backward, `padded` the same of rows of 1/2 to all of the tokens (torch: packed sequences), `step` is one token of one
row, `loop` is `train` against our own reference, the loop of the papers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from interleave import machine, publish, ratio
from torch import Tensor, nn

import blocks

SHAPES = {"20 rows of 35, 200 units": (20, 35, 200), "12 rows of 64, 128 units": (12, 64, 128)}
UNITS = {"rnn": ("rnn", nn.RNN, ""), "lstm": ("lstm", nn.LSTM, ""), "gru": ("gru", nn.GRU, ", reset: after")}
RECIPE = """
recipe: layers
d_model: {units}
vocab_size: 2
blocks: {{unit: {{mixer: {mixer}{options}}}}}
model: [{{embed: tokens}}, {{stack: {{layers: [2 x unit], norm: none, residual: none}}}}]
"""


def layers(mixer: str, options: str, units: int, kernels: str) -> list[Any]:
    """The mixers of two layers, as the compiler makes them."""
    text = RECIPE.format(units=units, mixer=mixer, options=options)
    model: Any = blocks.build(blocks.load(text), kernels=kernels)
    return [layer.mixer for layer in model.layers]


@torch.no_grad()
def copied(ours: list[Any], theirs: Any) -> Any:
    """torch's module with our weights."""
    for n, unit in enumerate(ours):
        read, own = unit.in_proj, unit.recurrence
        sign = torch.ones(len(read.weight), 1)
        if hasattr(own, "U_gates"):  # torch's z is the share of the old
            sign[len(own.U) : 2 * len(own.U)] = -1
        recurrent = torch.cat((own.U_gates, own.U)) if hasattr(own, "U_gates") else own.U
        getattr(theirs, f"weight_ih_l{n}").copy_(read.weight * sign)
        getattr(theirs, f"weight_hh_l{n}").copy_(recurrent * sign)
        for name in ("ih", "hh"):
            getattr(theirs, f"bias_{name}_l{n}").zero_()  # ours start at 0, but for an LSTM's forget gates
        if read.bias is None and own.b is not None:
            getattr(theirs, f"bias_ih_l{n}").copy_(own.b)
    return theirs


def through(ours: list[Any], x: Tensor, state: list[Any] | None = None, mask: Tensor | None = None) -> Tensor:
    """The output of the last layer."""
    for n, unit in enumerate(ours):
        x, _ = unit(x, None if state is None else state[n], mask)
    return x


def trained(y: Tensor) -> None:
    """The gradients of an output."""
    y.square().sum().backward()


def packed(theirs: Any, x: Tensor, lengths: Tensor) -> Tensor:
    """torch's output of ragged rows."""
    rows = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
    y, _ = nn.utils.rnn.pad_packed_sequence(theirs(rows)[0], batch_first=True)
    return y


class Case(NamedTuple):
    """One comparison, timed over `times` as many runs."""

    what: str
    ours: Callable[[], object]
    theirs: Callable[[], object]
    aim: float | None
    times: int = 1


def cases(ours: list[Any], plain: list[Any], theirs: Any, x: Tensor, lengths: Tensor) -> list[Case]:
    """What is timed for one kind of layer; `plain` is our reference."""
    mask = torch.arange(x.shape[1]) < lengths[:, None]
    real, state, hidden = mask[..., None], [unit(x[:1])[1] for unit in ours], theirs(x[:1])[1]
    return [
        Case("train", lambda: trained(through(ours, x)), lambda: trained(theirs(x)[0]), 1.1),
        Case(
            "padded",
            lambda: trained(through(ours, x, None, mask) * real),
            lambda: trained(packed(theirs, x, lengths) * real),
            1.1,
        ),
        Case(
            "step",
            torch.no_grad()(lambda: through(ours, x[:1, :1], state)),
            torch.no_grad()(lambda: theirs(x[:1, :1], hidden)),
            1.5,
            20,
        ),
        Case("loop", lambda: trained(through(ours, x)), lambda: trained(through(plain, x)), None),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--runs", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows, met, error = [], True, 0.0
    for shape, (batch, tokens, units) in SHAPES.items():
        for name, (mixer, made, options) in UNITS.items():
            ours, plain = (layers(mixer, options, units, kernels) for kernels in ("auto", "reference"))
            theirs = copied(ours, made(units, units, num_layers=2, batch_first=True))
            for fast, slow in zip(ours, plain, strict=True):
                slow.load_state_dict(fast.state_dict())
            x = torch.randn(batch, tokens, units)
            lengths = torch.linspace(tokens, tokens // 2, batch).round().long()
            with torch.no_grad():
                wanted = theirs(x)[0]
                error = max(error, float((through(ours, x) - wanted).abs().max() / wanted.abs().max()))
            for case in cases(ours, plain, theirs, x, lengths):
                a, b = ratio(case.ours, case.theirs, args.runs * case.times, clock=time.process_time)
                met &= case.aim is None or a / b <= case.aim
                rows.append(
                    f"| {name}, {shape} | {case.what} | {1e3 * a:.2f} | {1e3 * b:.2f} | {a / b:.2f} "
                    f"| {case.aim or ''} |"
                )
                print(rows[-1], flush=True)
    publish(
        "Recurrent layers against torch.nn's, CPU",
        f"`python benchmarks/recurrent.py`: {machine()}, fp32, two layers, medians of CPU time on one thread over "
        f"{args.runs} interleaved runs, of {20 * args.runs} for a step; `loop` is against our own reference. Results "
        f"differ from torch's by {error:.1e} of the largest value.",
        "| layers | what | ours, ms | theirs, ms | ours / theirs | aim |",
        rows,
        args.output,
    )
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
