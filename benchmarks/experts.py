"""The mixture of experts alone against transformers' Mixtral block, in both of its ways to compute experts.

    python benchmarks/experts.py [-o benchmarks/results/experts.md]

fp32, d_model 512, the same weights, interleaved medians of CPU time on one thread; `step` is one token of one row.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from interleave import machine, publish, ratio
from torch import Tensor

logging.getLogger("transformers").setLevel(logging.ERROR)
D, AIM = 512, 1.25
SHAPES = {"8 experts, 2 chosen, d_ff 1024": (8, 2, 1024), "64 experts, 8 chosen, d_ff 128": (64, 8, 128)}
WORK = {"forward": ((4, 128), False), "forward + backward": ((4, 128), True), "step": ((1, 1), False)}


def pair(experts: int, chosen: int, d_ff: int) -> tuple[Any, Any]:
    """Our module and transformers', with the same weights."""
    from transformers import MixtralConfig
    from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

    from blocks_feedforward.moe import MoE

    config = MixtralConfig(
        hidden_size=D, intermediate_size=d_ff, num_local_experts=experts, num_experts_per_tok=chosen
    )
    torch.manual_seed(0)
    theirs = MixtralSparseMoeBlock(config).eval()
    ours = MoE(D, n_experts=experts, top_k=chosen, d_ff=d_ff).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(std=0.05)
        ours.router.weight.copy_(theirs.gate.weight)
        ours.gate_up_proj.weight.copy_(theirs.experts.gate_up_proj)
        ours.out_proj.weight.copy_(theirs.experts.down_proj)
    return ours, theirs


def run(call: Callable[[Tensor], Any], x: Tensor, grad: bool) -> None:
    """One call, and the gradients of everything where asked."""
    with torch.set_grad_enabled(grad):
        y = call(x)
        y = y[0] if isinstance(y, tuple) else y
        if grad:
            y.backward(x.detach())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--runs", type=int, default=11)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows, met, error = [], True, 0.0
    for shape, sizes in SHAPES.items():
        ours, theirs = pair(*sizes)
        for what, (batch, grad) in WORK.items():
            x = torch.randn(*batch, D, requires_grad=grad)
            with torch.no_grad():
                wanted = theirs(x)
                error = max(error, float((ours(x)[0] - wanted).abs().max() / wanted.abs().max()))
            runs = args.runs * (1 if batch[1] > 1 else 20)
            for way in ("eager", "grouped_mm"):
                theirs.experts.config._experts_implementation = way
                a, b = ratio(
                    lambda ours=ours, x=x, grad=grad: run(ours, x, grad),
                    lambda theirs=theirs, x=x, grad=grad: run(theirs, x, grad),
                    runs,
                    clock=time.process_time,
                )
                met &= a / b <= AIM
                rows.append(
                    f"| {shape} | {what} | {way} | {1e3 * a:.2f} | {1e3 * b:.2f} | {a / b:.2f} | {AIM} |"
                )
                print(rows[-1], flush=True)
    publish(
        "A mixture of experts against transformers' Mixtral block, CPU",
        f"`python benchmarks/experts.py`: {machine()}, fp32, d_model {D}, 4 rows of 128 tokens, medians of "
        f"CPU time on one thread over {args.runs} interleaved runs, of {20 * args.runs} for a step. Results differ by "
        f"{error:.1e} of the largest value.",
        "| experts | what | theirs by | ours, ms | theirs, ms | ours / theirs | aim |",
        rows,
        args.output,
    )
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
