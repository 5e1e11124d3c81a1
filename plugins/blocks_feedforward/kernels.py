"""Grouped linear maps in plain torch: rows in groups, each group through a matrix of its own.

Shape letters: N rows, D and F channels of input and output, E groups, G blocks of rows, L rows a block.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def grouped_linear(x: Tensor, weight: Tensor, bias: Tensor | None, ends: Tensor) -> Tensor:
    """Map the rows of group e by weight[e], plus bias[e]: y [N, F], zero behind the last group.

    x [N, D], its rows sorted by group; weight [E, F, D]; bias [E, F] or None; ends int64 [E], where a group
    ends. On the meta device, where no row is known, the groups are of one size.
    """
    if torch.compiler.is_compiling():
        return grouped_linear_in_blocks(x, weight, bias, ends)
    N, E = x.shape[0], weight.shape[0]
    stops = [N * (e + 1) // E for e in range(E)] if x.is_meta else ends.tolist()
    sizes = [stop - start for start, stop in zip([0, *stops[:-1]], stops, strict=True)]
    *groups, rest = torch.split(x, [*sizes, N - stops[-1]])
    biases = [None] * E if bias is None else bias.unbind()
    y = [
        F.linear(rows, w, b) for rows, w, b in zip(groups, weight.unbind(), biases, strict=True) if len(rows)
    ]
    return torch.cat([*y, rest.new_zeros(len(rest), weight.shape[1])])


def grouped_linear_in_blocks(x: Tensor, weight: Tensor, bias: Tensor | None, ends: Tensor) -> Tensor:
    """The same in one graph of which no shape depends on the groups' sizes.

    Blocks of L = N // E + 1 rows, each of one group, the last of a group with rows to spare: fewer than 2 E
    blocks in all. It computes up to twice as many rows as there are and gathers a matrix for each block.
    """
    N, E = x.shape[0], weight.shape[0]
    L = N // E + 1
    G = 2 * E - 1
    if not torch.compiler.is_exporting():  # an exported graph has no branch on a length
        G = min(G, N)
    starts = F.pad(ends[:-1], (1, 0))
    last = ((ends - starts + L - 1) // L).cumsum(dim=0)  # blocks up to each group, itself included
    first = F.pad(last[:-1], (1, 0))
    block = torch.arange(G, device=x.device)
    group = (last[None] <= block[:, None]).sum(dim=1).clamp(max=E - 1)
    row = torch.arange(L, device=x.device) + (starts[group] + (block - first[group]) * L)[:, None]
    y = torch.bmm(x[row.clamp(max=N - 1)], weight[group].transpose(1, 2))  # [G, L, F]
    if bias is not None:
        y = y + bias[group][:, None]
    rows = torch.arange(N, device=x.device)
    of_row = (ends[None] <= rows[:, None]).sum(dim=1)
    held = of_row.clamp(max=E - 1)
    within = rows - starts[held]
    before = within // L  # blocks of its group before its own
    rows_y = y[(first[held] + before).clamp(max=G - 1), within - before * L]
    return torch.where(of_row[:, None] < E, rows_y, 0)
