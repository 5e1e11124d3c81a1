"""Heads as modules: language models, masked language models, classifiers, poolers.

Shape letters: B batch, T tokens in this call, D d_model, E columns of the table, V vocab_size, C classes.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LMHead(nn.Linear):
    """A linear map from x [B, T, D] to logits [B, T, V].

    For one token a row, as in decoding, the table stands on the left of the product: a CPU then streams it
    once instead of once a row.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of x."""
        if x.shape[1] != 1:
            return F.linear(x, self.weight, self.bias)
        logits = (self.weight @ x[:, 0].mT).mT.contiguous()
        return (logits if self.bias is None else logits + self.bias)[:, None]


class ShapedLMHead(LMHead):
    """A language-model head with a map to E = `dim` columns, a scale and a soft cap, as far as asked for.

    `scale` multiplies what the table [V, E] reads, as where T5 ties it: Raffel et al. 2020,
    arXiv:1910.10683, and their code. `logit_cap` bounds the logits: cap * tanh(logits / cap), Gemma Team
    2024, arXiv:2408.00118, section 2.
    """

    def __init__(
        self,
        d_model: int,
        vocab_size: int,
        *,
        bias: bool = False,
        dim: int | None = None,
        scale: float | None = None,
        logit_cap: float | None = None,
    ) -> None:
        super().__init__(d_model if dim is None else dim, vocab_size, bias=bias)
        self.in_proj = None if dim is None else nn.Linear(d_model, dim, bias=False)
        self.scale = scale
        self.logit_cap = logit_cap

    def features(self, x: Tensor) -> Tensor:
        """Return what the table reads, [B, T, E]."""
        if self.in_proj is not None:
            x = self.in_proj(x)
        return x if self.scale is None else x * self.scale

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits [B, T, V] of x [B, T, D]."""
        logits = super().forward(self.features(x))
        return logits if self.logit_cap is None else self.logit_cap * torch.tanh(logits / self.logit_cap)


def gelu_tanh(x: Tensor) -> Tensor:
    """GELU's tanh approximation (GPT-2). Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2."""
    return F.gelu(x, approximate="tanh")


HEAD_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": gelu_tanh,
    "silu": F.silu,
}


class MaskedLMHead(LMHead):
    """A linear map, an activation and a layer norm, then the table [V, E] with a bias a token id.

    Devlin et al. 2019, BERT, arXiv:1810.04805, and their code; E = `dim` in ALBERT, Lan et al. 2020,
    arXiv:1909.11942, section 3.1; otherwise E = D.
    """

    def __init__(
        self,
        d_model: int,
        vocab_size: int,
        *,
        bias: bool = True,
        dim: int | None = None,
        activation: str = "gelu",
        eps: float = 1e-12,
    ) -> None:
        columns = d_model if dim is None else dim
        super().__init__(columns, vocab_size, bias=bias)
        self.in_proj = nn.Linear(d_model, columns)
        self.activation = HEAD_ACTIVATIONS[activation]
        self.norm = nn.LayerNorm(columns, eps=eps)

    def features(self, x: Tensor) -> Tensor:
        """Return what the table reads, [B, T, E]."""
        features: Tensor = self.norm(self.activation(self.in_proj(x)))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits [B, T, V] of x [B, T, D]."""
        return super().forward(self.features(x))


def pool_tokens(x: Tensor, mask: Tensor | None, pool: str) -> Tensor:
    """Return one vector [B, D] a row of x [B, T, D]: its first or last real token, or their mean.

    mask bool [B, T], true at real tokens, None: all are. Padding may stand anywhere and hold anything. Raises
    ValueError for packed documents: a row of several has no vector of its own.
    """
    if mask is not None and mask.dtype != torch.bool:
        raise ValueError(
            f"packed documents have no {pool} of a row: give each document a row, with a mask of bool"
        )
    if mask is None:
        return x.mean(dim=1) if pool == "mean" else x[:, 0 if pool == "first" else -1]
    if pool == "mean":
        total = x.masked_fill(~mask[..., None], 0).sum(dim=1)
        return total / mask.sum(dim=1, keepdim=True).clamp(min=1)
    place = torch.arange(x.shape[1], device=x.device)
    if pool == "first":
        index = place.masked_fill(~mask, x.shape[1] - 1).amin(dim=1)
    else:
        index = place.masked_fill(~mask, 0).amax(dim=1)
    return x[torch.arange(x.shape[0], device=x.device), index]


class ClassifierHead(nn.Module):
    """A linear map to C classes from one vector a row: the first or last real token, or the mean of all.

    With `pooler` a linear map and a tanh come before it: Devlin et al. 2019, arXiv:1810.04805, and their
    code. A row has to be given whole, since a head keeps no state.
    """

    def __init__(
        self, d_model: int, *, n_classes: int, pool: str = "first", pooler: bool = False, bias: bool = True
    ) -> None:
        super().__init__()
        self.pool = pool
        self.pooler = nn.Linear(d_model, d_model) if pooler else None
        self.proj = nn.Linear(d_model, n_classes, bias=bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the logits [B, C] of x [B, T, D]; mask bool [B, T], true at real tokens."""
        pooled = pool_tokens(x, mask, self.pool)  # [B, D]
        if self.pooler is not None:
            pooled = torch.tanh(self.pooler(pooled))
        logits: Tensor = self.proj(pooled)
        return logits


class PoolerHead(nn.Linear):
    """A linear map and tanh of one vector a row: the first or last real token, or the mean of all.

    Devlin et al. 2019, arXiv:1810.04805, and their code. A row has to be given whole, since a head keeps no
    state.
    """

    def __init__(self, d_model: int, *, pool: str = "first") -> None:
        super().__init__(d_model, d_model)
        self.pool = pool

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return [B, D] of x [B, T, D]; mask bool [B, T], true at real tokens."""
        return torch.tanh(super().forward(pool_tokens(x, mask, self.pool)))
