"""How well a query fits a key.

Shape letters: B batch, T queries, Q their width, S tokens of the memory, M its width. Each module projects
the memory once, `keys(memory)`, and is called with queries and these keys. Products of the two are fp32 or
better: a softmax turns their absolute error into a relative one.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class AdditiveScore(nn.Module):
    """v·tanh(W s + U h). Bahdanau et al. 2014, arXiv:1409.0473, appendix A.1.2.

    keys(memory [B, S, M]) -> U h [B, S, hidden]; forward(queries [B, T, Q], keys) -> scores [B, T, S].
    """

    def __init__(self, d_query: int, d_key: int, *, hidden: int) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.empty(hidden, d_query))
        self.U = nn.Parameter(torch.empty(hidden, d_key))
        self.v = nn.Parameter(torch.empty(hidden))

    def keys(self, memory: Tensor) -> Tensor:
        return F.linear(memory, self.U)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        features = torch.tanh(F.linear(queries, self.W)[:, :, None] + keys[:, None])  # [B, T, S, hidden]
        return F.linear(features, self.v[None])[..., 0]

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """W and U normal of standard deviation 0.001, as in appendix B.1.

        There v starts at 0, which leaves W and U without a gradient at first; here at deviation 0.01.
        """
        for weight, scale in ((self.W, 1e-3), (self.U, 1e-3), (self.v, 1e-2)):
            weight.copy_(scale * torch.randn(weight.shape, generator=generator))


class DotScore(nn.Module):
    """s·h, or with `scaled` s·h / sqrt(width): Luong et al. 2015, arXiv:1508.04025, section 3.1; Vaswani et
    al. 2017, arXiv:1706.03762, equation 1.

    keys(memory [B, S, Q]) -> the memory; forward(queries [B, T, Q], keys) -> scores [B, T, S].
    """

    def __init__(self, d_query: int, d_key: int, *, scaled: bool = False) -> None:
        super().__init__()
        if d_query != d_key:
            raise ValueError(f"queries of {d_query} channels have no product with keys of {d_key}")
        self.scale = d_query**-0.5 if scaled else 1.0

    def keys(self, memory: Tensor) -> Tensor:
        return memory

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        return products(queries, keys) * self.scale


class GeneralScore(nn.Module):
    """s·W h. Luong et al. 2015, arXiv:1508.04025, section 3.1.

    keys(memory [B, S, M]) -> W h [B, S, Q]; forward(queries [B, T, Q], keys) -> scores [B, T, S].
    """

    def __init__(self, d_query: int, d_key: int) -> None:
        super().__init__()
        self.key_proj = nn.Linear(d_key, d_query, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        projected: Tensor = self.key_proj(memory)
        return projected

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        return products(queries, keys)


def products(queries: Tensor, keys: Tensor) -> Tensor:
    """q·k [B, T, S] of queries [B, T, Q] and keys [B, S, Q], in fp32 or better."""
    dtype = torch.promote_types(queries.dtype, torch.float32)
    return queries.to(dtype) @ keys.to(dtype).transpose(1, 2)
