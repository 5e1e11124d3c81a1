"""The loss of a language model's head in chunks, against full logits: time and peak memory, forward and backward.

    python benchmarks/linear_cross_entropy.py [-o benchmarks/results/linear_cross_entropy.md]

The peer is `F.cross_entropy(F.linear(hidden, weight), targets)`. fp32, the vocabulary of GPT-2, interleaved medians of
CPU time on one thread; peak memory is what torch's allocator holds at most during one call, besides the operands.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from interleave import machine, publish, ratio
from torch import Tensor

from blocks_train.objectives.chunked import linear_cross_entropy

V = 50257
SHAPES = ((1024, 256), (4096, 256), (2048, 768))
AIMS = {
    "sum": 1.1,
    "none": 1.5,
}  # without a known factor a token, logits are computed twice: 4 products for 3
MEMORY = 0.5


def full(leaves: list[Tensor], targets: Tensor, reduction: str) -> Tensor:
    return F.cross_entropy(F.linear(*leaves), targets, reduction=reduction)


def chunked(leaves: list[Tensor], targets: Tensor, reduction: str) -> Tensor:
    return linear_cross_entropy(*leaves, None, targets, reduction=reduction)


def step(loss: Callable[..., Tensor], leaves: list[Tensor], targets: Tensor, reduction: str) -> list[Tensor]:
    """Losses and the gradients of hidden states and table."""
    losses = loss(leaves, targets, reduction)
    return [losses.detach(), *torch.autograd.grad(losses, leaves, torch.ones_like(losses))]


def peak(call: Callable[[], object]) -> int:
    """Bytes that a call has allocated at most at any one time."""
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        call()
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    return max(itertools.accumulate(e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows, met, error = [], True, 0.0
    for N, E in SHAPES:
        torch.manual_seed(0)
        leaves = [torch.randn(N, E), 0.02 * torch.randn(V, E)]
        leaves = [leaf.requires_grad_() for leaf in leaves]
        targets = torch.randint(0, V, (N,))
        for reduction, aim in AIMS.items():
            ours = partial(step, chunked, leaves, targets, reduction)
            theirs = partial(step, full, leaves, targets, reduction)
            for a, b in zip(ours(), theirs(), strict=True):
                error = max(error, float((a - b).abs().max() / b.abs().max()))
            a, b = ratio(ours, theirs, args.runs, warmup=1, clock=time.process_time)
            m, n = peak(ours), peak(theirs)
            met &= a / b <= aim and m / n <= MEMORY
            rows.append(
                f"| {N} × {E} | {reduction} | {a:.2f} | {b:.2f} | {a / b:.2f} | {aim} "
                f"| {m / 2**20:,.0f} | {n / 2**20:,.0f} | {m / n:.2f} | {MEMORY} |"
            )
            print(rows[-1], flush=True)
    publish(
        "Cross-entropy of a language model's head in chunks, against full logits, CPU",
        f"`python benchmarks/linear_cross_entropy.py`: {machine()}, fp32, {V:,} token ids, forward and backward, "
        f"medians of CPU time on one thread over {args.runs} interleaved runs. A sum of losses has its gradients "
        "computed with them; losses by token (none) have their logits computed twice. Results differ by "
        f"{error:.1e} of the largest value.",
        "| tokens × channels | reduction | chunked, s | full, s | time ratio | aim | chunked, MiB | full, MiB "
        "| memory ratio | aim |",
        rows,
        args.output,
    )
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
