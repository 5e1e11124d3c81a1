"""Position-wise feed-forward networks, plain and gated, and low-rank maps.

Shape letters: B batch, T tokens in this call, D d_model, F d_ff, R rank. Each token is on its own: no
state, no use of a mask.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def gelu_tanh(x: Tensor) -> Tensor:
    """GELU's tanh approximation (GPT-2). Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2."""
    return F.gelu(x, approximate="tanh")


def relu2(x: Tensor) -> Tensor:
    """Squared ReLU, max(x, 0)^2. So et al. 2021, arXiv:2109.08668, section 3.2."""
    return F.relu(x).square()


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": gelu_tanh,
    "relu2": relu2,
    "silu": F.silu,
}


class MLP(nn.Module):
    """Two linear maps with an activation between. Vaswani et al. 2017, arXiv:1706.03762, equation 2."""

    def __init__(self, d_model: int, *, d_ff: int, activation: str = "gelu", bias: bool = False) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.in_proj = nn.Linear(d_model, d_ff, bias=bias)
        self.out_proj = nn.Linear(d_ff, d_model, bias=bias)

    def forward(self, x: Tensor, state: None = None, mask: Tensor | None = None) -> tuple[Tensor, None]:
        """Map x [B, T, D] to y [B, T, D]; the state is always None."""
        return self.out_proj(self.activation(self.in_proj(x))), None


class GatedMLP(nn.Module):
    """A feed-forward network whose hidden features are multiplied by an activated gate.

    `activation` names the gate's function: silu is SwiGLU, gelu GEGLU, relu ReGLU. `gate_up_proj` holds the
    rows of the gate and then those of the value. Shazeer 2020, arXiv:2002.05202, equation 6.
    """

    def __init__(self, d_model: int, *, d_ff: int, activation: str = "silu", bias: bool = False) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.gate_up_proj = nn.Linear(d_model, 2 * d_ff, bias=bias)
        self.out_proj = nn.Linear(d_ff, d_model, bias=bias)

    def forward(self, x: Tensor, state: None = None, mask: Tensor | None = None) -> tuple[Tensor, None]:
        """Map x [B, T, D] to y [B, T, D]; the state is always None."""
        gate, up = self.gate_up_proj(x).chunk(2, dim=-1)
        return self.out_proj(self.activation(gate) * up), None


class ZeroLinear(nn.Linear):
    """A linear map that starts at zero."""

    def init_weights(self, generator: torch.Generator) -> None:
        """Set the weight to zero; nothing is drawn."""
        nn.init.zeros_(self.weight)


class Projection(nn.Module):
    """One linear map from D to `d_out` channels."""

    def __init__(self, d_model: int, *, d_out: int, bias: bool = False) -> None:
        super().__init__()
        self.out_proj = nn.Linear(d_model, d_out, bias=bias)

    def forward(self, x: Tensor, state: None = None, mask: Tensor | None = None) -> tuple[Tensor, None]:
        """Map x [B, T, D] to y [B, T, d_out]; the state is always None."""
        return self.out_proj(x), None


class LowRank(nn.Module):
    """A linear map of rank R, y = B A x, that starts at zero: A is drawn, B is zero.

    Hu et al. 2021, LoRA, arXiv:2106.09685, section 4.1 and equation 3; A is `down_proj`, B `up_proj`.
    """

    def __init__(self, d_model: int, *, rank: int) -> None:
        super().__init__()
        self.down_proj = nn.Linear(d_model, rank, bias=False)
        self.up_proj = ZeroLinear(rank, d_model, bias=False)

    def forward(self, x: Tensor, state: None = None, mask: Tensor | None = None) -> tuple[Tensor, None]:
        """Map x [B, T, D] to y [B, T, D]; the state is always None."""
        return self.up_proj(self.down_proj(x)), None
