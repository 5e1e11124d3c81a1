"""The SSD scan alone against transformers' own at its chunk of 256: forward, and forward + backward.

    python benchmarks/ssd_scan.py [-o benchmarks/results/ssd_scan.md]

Batch 4, 512 tokens, 16 heads of 64 channels, state 128, one group, fp32, interleaved medians.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch
import torch.nn.functional as F
from interleave import machine, publish, ratio
from torch import Tensor

logging.getLogger("transformers").setLevel(logging.ERROR)
AIM = 0.25
B, T, H, P, N = 4, 512, 16, 64, 128


def inputs() -> tuple[Tensor, ...]:
    """x, dt, A, B, C as a block makes them: x, B and C are views of one projection."""
    torch.manual_seed(0)
    x, b, c = torch.randn(B, T, H * P + 2 * N).split((H * P, N, N), dim=-1)
    dt = F.softplus(torch.randn(B, T, H) - 3)
    return x.unflatten(-1, (H, P)), dt, -torch.rand(H) * 15 - 1, b[:, :, None], c[:, :, None]


def main() -> int:
    from transformers.models.mamba2.modeling_mamba2 import mamba2_chunk_scan

    from blocks_ssm.kernels import ssd_scan

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--runs", type=int, default=15)
    args = parser.parse_args()
    values = inputs()

    def ours(*given: Tensor) -> Tensor:
        return ssd_scan(*given, None, 64)[0]

    def theirs(*given: Tensor) -> Tensor:
        return mamba2_chunk_scan(*given, chunk_size=256, return_final_states=True)[0]

    error = float((ours(*values) - theirs(*values)).abs().max() / theirs(*values).abs().max())
    rows = []
    met = True
    for grad in (False, True):
        leaves = tuple(v.detach().requires_grad_(grad) for v in values)
        weight = torch.randn(B, T, H, P)

        def call(scan, leaves=leaves, grad=grad, weight=weight):  # type: ignore[no-untyped-def]
            with torch.set_grad_enabled(grad):
                y = scan(*leaves)
                if grad:
                    torch.autograd.grad(y, leaves, weight)

        a, b = ratio(lambda: call(ours), lambda: call(theirs), args.runs)
        met &= a / b <= AIM
        what = "forward + backward" if grad else "forward"
        rows.append(f"| {what} | {1e3 * a:.1f} | {1e3 * b:.1f} | {a / b:.3f} | {AIM} |")
        print(rows[-1], flush=True)
    publish(
        "The SSD scan alone against transformers' own, CPU",
        f"`python benchmarks/ssd_scan.py`: {machine()}, {torch.get_num_threads()} threads, fp32, batch {B}, {T} "
        f"tokens, {H} heads of {P}, state {N}, one group, medians of {args.runs} interleaved runs. "
        f"Results differ by {error:.1e} of the largest value.",
        "| what | ours, ms | theirs, ms | ours / theirs | aim |",
        rows,
        args.output,
    )
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
