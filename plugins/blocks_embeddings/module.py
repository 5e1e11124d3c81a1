"""Token embeddings that do more than look up a row.

Shape letters: B batch, T tokens in this call, V vocab_size, D d_model, E columns of the table.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class TokenEmbedding(nn.Embedding):
    """A table [V, E] whose rows are scaled, given a type, and mapped to D channels, as far as asked for.

    `scale` multiplies the rows: Vaswani et al. 2017, arXiv:1706.03762, section 3.4. `n_types` rows say what
    kind of segment a token is from: Devlin et al. 2019, arXiv:1810.04805, section 3. With `dim` the table
    is factorised, E = dim, and a linear map follows: Lan et al. 2020, arXiv:1909.11942, section 3.1.
    """

    def __init__(
        self,
        vocab_size: int,
        d_model: int,
        *,
        scale: float | None = None,
        n_types: int | None = None,
        dim: int | None = None,
        bias: bool = False,
    ) -> None:
        columns = d_model if dim is None else dim
        super().__init__(vocab_size, columns)
        self.scale = scale
        self.types = None if n_types is None else nn.Embedding(n_types, columns)
        self.proj = None if dim is None else nn.Linear(dim, d_model, bias=bias)

    def forward(self, tokens: Tensor, types: Tensor | None = None) -> Tensor:
        """Return x [B, T, D] of tokens int64 [B, T]; types int64 [B, T], None: type 0 everywhere.

        Raises ValueError for types of another shape, IndexError for one that has no row (on a CPU).
        """
        if types is not None and types.shape != tokens.shape:
            raise ValueError(f"types {[*types.shape]} do not fit tokens {[*tokens.shape]}")
        x = F.embedding(tokens, self.weight)  # [B, T, E]
        if self.scale is not None:
            x = x * self.scale
        if self.types is not None:
            x = x + (self.types.weight[0] if types is None else self.types(types))
        return x if self.proj is None else self.proj(x)
