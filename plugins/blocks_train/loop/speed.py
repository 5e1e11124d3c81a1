"""How fast a machine could be, and how much memory is used.

Model FLOP utilisation is the share of the machine's fastest matrix product that a model's own FLOPs come to (Chowdhery
et al. 2022, PaLM, arXiv:2204.02311, appendix B): those of the cost report, forward and backward, recomputation not
counted. No table of devices is kept: the fastest product is measured here, on square matrices in the dtype of training.
"""

from __future__ import annotations

import sys
import time

import torch

SECONDS = 0.25
WIDTHS = {"cpu": (512, 1024), "cuda": (4096, 8192)}


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """FLOPs a second of the fastest product of square matrices, the best of some; 2 n^3 each."""
    best = 0.0
    for width in WIDTHS.get(device.type, (1024,)):
        a = torch.randn(width, width, device=device, generator=torch.Generator(device).manual_seed(0))
        a = (a / width**0.5).to(dtype)
        b = a.clone()
        _wait(device)
        torch.mm(a, b)
        ends = time.perf_counter() + SECONDS
        while True:
            _wait(device)
            start = time.perf_counter()
            torch.mm(a, b)
            _wait(device)
            now = time.perf_counter()
            best = max(best, 2 * width**3 / (now - start))
            if now > ends:
                break
    return best


def memory(device: torch.device) -> int:
    """Bytes at the highest point: of the device where it keeps count, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
