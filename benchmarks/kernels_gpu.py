"""Triton kernels against torch's own ops on a GPU: medians, and GB/s of the bytes that have to move.

    PYTHONPATH=.:compiler:plugins python benchmarks/kernels_gpu.py [--dtype bfloat16] [--rounds 50]

Both sides of a row run interleaved in one process, timed by CUDA events after the L2 cache was written over.
Bytes: every input read once, every output written once, in the forward and in the backward.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

EPS = 1e-5
RMS_SHAPES = [(16384, 1024), (16384, 4096), (8192, 8192), (262144, 128)]  # rows, d
CONV_SHAPES = [(8, 2048, 1536), (4, 4096, 4352), (1, 16384, 10240)]  # B, T, C


class Case(NamedTuple):
    """One row of the table: the two functions share their leaves, `moved` is bytes forward and backward."""

    name: str
    ours: Callable[[], tuple[Tensor, ...]]
    theirs: Callable[[], tuple[Tensor, ...]]
    leaves: tuple[Tensor, ...]
    moved: tuple[int, int]


def cases(dtype: torch.dtype) -> Iterator[Case]:
    from blocks_triton.causal_conv1d.kernels import causal_conv1d
    from blocks_triton.rms_norm.kernels import add_rms_norm, rms_norm

    def leaf(*shape: int) -> Tensor:
        return torch.randn(*shape, device="cuda", dtype=dtype, requires_grad=True)

    for rows, d in RMS_SHAPES:
        x, y, weight = leaf(rows, d), leaf(rows, d), leaf(d)
        size = x.nbytes

        def norm(x: Tensor = x, weight: Tensor = weight) -> tuple[Tensor, ...]:
            return (rms_norm(x, weight, EPS),)

        def torch_norm(x: Tensor = x, weight: Tensor = weight) -> tuple[Tensor, ...]:
            return (F.rms_norm(x, (x.shape[-1],), weight, EPS),)

        def add_norm(x: Tensor = x, y: Tensor = y, weight: Tensor = weight) -> tuple[Tensor, ...]:
            return add_rms_norm(x, y, weight, EPS)

        def torch_add_norm(x: Tensor = x, y: Tensor = y, weight: Tensor = weight) -> tuple[Tensor, ...]:
            s = x + y
            return s, F.rms_norm(s, (s.shape[-1],), weight, EPS)

        yield Case(f"rms_norm {rows}x{d}", norm, torch_norm, (x, weight), (2 * size, 3 * size))
        yield Case(f"add_rms_norm {rows}x{d}", add_norm, torch_add_norm, (x, y, weight), (4 * size, 4 * size))

    for batch, length, channels in CONV_SHAPES:
        x, weight, bias = leaf(batch, length, channels), leaf(channels, 4), leaf(channels)
        size = x.nbytes

        def conv(x: Tensor = x, weight: Tensor = weight, bias: Tensor = bias) -> tuple[Tensor, ...]:
            return (causal_conv1d(x, weight, bias, None, "silu"),)

        def torch_conv(x: Tensor = x, weight: Tensor = weight, bias: Tensor = bias) -> tuple[Tensor, ...]:
            joined = x.transpose(1, 2)
            y = F.conv1d(joined, weight.unsqueeze(1), bias, padding=3, groups=x.shape[2])
            return (F.silu(y[..., : x.shape[1]]).transpose(1, 2),)

        name = f"causal_conv1d {batch}x{length}x{channels}, K = 4"
        yield Case(name, conv, torch_conv, (x, weight, bias), (2 * size, 3 * size))


def check(case: Case) -> None:
    """Both sides compute the same, to the dtype's rounding, or the timing means nothing."""
    results = []
    for function in (case.ours, case.theirs):
        outputs = function()
        grads = torch.autograd.grad(outputs, case.leaves, [torch.ones_like(o) for o in outputs])
        results.append([*outputs, *grads])
    for mine, yours in zip(*results, strict=True):
        allowed = 3e-2 * float(yours.abs().max())
        torch.testing.assert_close(mine, yours, rtol=3e-2, atol=allowed, msg=lambda m: f"{case.name}: {m}")


def milliseconds(call: Callable[[], object], flush: Tensor) -> float:
    flush.zero_()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    start.record()
    call()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))


def measure(case: Case, rounds: int, flush: Tensor) -> Iterator[tuple[str, float, float, int]]:
    """(direction, our median ms, their median ms, bytes) forward and backward."""
    functions = (case.ours, case.theirs)
    outputs = [f() for f in functions]
    grads = [torch.randn_like(o) for o in outputs[0]]
    calls: dict[str, list[Callable[[], object]]] = {
        "forward": list(functions),
        "backward": [
            lambda o=o: torch.autograd.grad(o, case.leaves, grads, retain_graph=True)  # type: ignore[misc]
            for o in outputs
        ],
    }
    for (direction, pair), moved in zip(calls.items(), case.moved, strict=True):
        times: list[list[float]] = [[], []]
        for i in range(rounds + 5):
            for call, kept in zip(pair, times, strict=True):
                elapsed = milliseconds(call, flush)
                if i >= 5:
                    kept.append(elapsed)
        yield direction, statistics.median(times[0]), statistics.median(times[1]), moved


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float16", "float32"])
    parser.add_argument("--rounds", type=int, default=50, help="timed runs of each side (default 50)")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("kernels_gpu: there is no CUDA device here, and nothing to compare on a CPU.", file=sys.stderr)
        return 1
    import triton

    name = torch.cuda.get_device_name()
    print(f"{name}, torch {torch.__version__}, triton {triton.__version__}, {options.dtype}\n")
    print("| kernel | | triton ms | torch ms | triton GB/s | torch GB/s | triton / torch time |")
    print("|---|---|--:|--:|--:|--:|--:|")
    flush = torch.empty(2**28, dtype=torch.uint8, device="cuda")
    for case in cases(getattr(torch, options.dtype)):
        check(case)
        for direction, ours, theirs, moved in measure(case, options.rounds, flush):
            row = f"| {case.name} | {direction} | {ours:.3f} | {theirs:.3f} "
            print(f"{row}| {moved / ours / 1e6:,.0f} | {moved / theirs / 1e6:,.0f} | {ours / theirs:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
