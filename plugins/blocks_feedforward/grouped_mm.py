"""Grouped linear maps on torch's kernel for them, which needs no group's size on the host.

Shape letters: N rows, D and F channels of input and output, E groups.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .kernels import grouped_linear as reference


def grouped_linear(x: Tensor, weight: Tensor, bias: Tensor | None, ends: Tensor) -> Tensor:
    """Map the rows of group e by weight[e], plus bias[e], as the reference does.

    Where torch has no kernel for these tensors, it is the reference that computes.
    """
    if not suits(x, weight):
        return reference(x, weight, bias, ends)
    rows = torch.arange(x.shape[0], device=x.device)
    real = (rows < ends[-1])[:, None]
    # the kernel writes no row behind the last group, neither of the output nor of the input's gradient
    y = F.grouped_mm(torch.where(real, x, 0), weight.transpose(1, 2), offs=ends.to(torch.int32))
    if bias is not None:
        y = y + bias[(ends[None] <= rows[:, None]).sum(dim=1).clamp(max=len(ends) - 1)]
    return torch.where(real, y, 0)


def suits(x: Tensor, weight: Tensor) -> bool:
    """Whether torch's kernel takes them: aligned to 16 bytes, bfloat16, or float32 on a CPU run eagerly."""
    if torch.compiler.is_exporting() or x.dtype != weight.dtype or x.shape[0] == 0:
        return False
    eager = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.compiler.is_compiling()
    aligned = all(size * x.element_size() % 16 == 0 for size in weight.shape[1:])
    return aligned and (eager or (x.dtype == torch.bfloat16 and x.device.type in ("cpu", "cuda")))
