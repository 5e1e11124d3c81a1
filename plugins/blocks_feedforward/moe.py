"""A mixture of experts: a router sends each token through a few of many feed-forward networks.

Shape letters: B batch, T tokens in this call, N = B T tokens, D d_model, E experts, K experts of a token,
F channels inside an expert.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .kernels import grouped_linear
from .module import ACTIVATIONS, MLP, GatedMLP


class RouterState(NamedTuple):
    """What a router has done with the real tokens so far; a load-balance loss is a function of it.

    Of packed documents it is [2, E], of them all, and no later call takes it.
    """

    routed: Tensor  # [B, 2, E] assignments to each expert, sums of its probabilities; fp32, or fp64 for fp64


class Router(nn.Module):
    """Chooses K of E experts for each token, and what each of them weighs.

    Scores are the softmax of a linear map, or its sigmoid (DeepSeek-AI 2024, DeepSeek-V3, arXiv:2412.19437,
    equations 12 to 16), in fp32 or better whatever the model's dtype (Fedus et al. 2021, arXiv:2101.03961,
    section 2.4). The K highest are chosen, with `choice_bias` after it was added to them; their scores are
    the weights, divided by their sum if `renormalise`, times `routed_scale`.
    """

    def __init__(
        self,
        d_model: int,
        n_experts: int,
        *,
        top_k: int,
        scoring: str,
        renormalise: bool,
        routed_scale: float,
        choice_bias: bool,
    ) -> None:
        super().__init__()
        self.top_k, self.scoring = top_k, scoring
        self.renormalise, self.routed_scale = renormalise, routed_scale
        self.weight = nn.Parameter(torch.empty(n_experts, d_model))
        self.choice_bias: Tensor | None
        self.register_buffer("choice_bias", torch.empty(n_experts) if choice_bias else None)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of x [N, D]: experts int64 [N, K], their weights [N, K], and the probabilities [N, E] of all."""
        dtype = torch.promote_types(x.dtype, torch.float32)
        logits = F.linear(x.to(dtype), self.weight.to(dtype))
        if self.scoring == "softmax":
            scores = probabilities = logits.softmax(dim=-1)
        else:
            scores = logits.sigmoid()
            probabilities = scores / scores.sum(dim=-1, keepdim=True)
        ranked = scores if self.choice_bias is None else scores + self.choice_bias
        experts = ranked.topk(self.top_k, dim=-1).indices
        weights = scores.gather(1, experts)
        if self.renormalise:
            weights = weights / weights.sum(dim=-1, keepdim=True)
        return experts, weights * self.routed_scale, probabilities

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """Normal with standard deviation 0.02; the bias of the choice is zero."""
        self.weight.copy_(torch.randn(self.weight.shape, generator=generator) * 0.02)
        if self.choice_bias is not None:
            self.choice_bias.zero_()


class ExpertLinear(nn.Module):
    """E linear maps, one an expert: weight [E, F, D], bias [E, F]."""

    no_weight_decay = ("bias",)  # a matrix of them, and biases all the same

    def __init__(self, n_experts: int, d_in: int, d_out: int, *, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_experts, d_out, d_in))
        self.bias = nn.Parameter(torch.empty(n_experts, d_out)) if bias else None

    def forward(self, x: Tensor, ends: Tensor) -> Tensor:
        """Map rows x [N K, D], sorted by expert, to [N K, F]; `ends` int64 [E]: where those of each end."""
        return grouped_linear(x, self.weight, self.bias, ends)

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """Normal with standard deviation 0.02; biases are zero."""
        self.weight.copy_(torch.randn(self.weight.shape, generator=generator) * 0.02)
        if self.bias is not None:
            self.bias.zero_()


class MoE(nn.Module):
    """A mixture of experts: y = Σ_e w_e f_e(x) over the K experts that the router chooses.

    Shazeer et al. 2017, arXiv:1701.06538, equations 1 and 3; Jiang et al. 2024, Mixtral, arXiv:2401.04088,
    section 2.1. An expert is a gated network or a plain one. `latent`: experts work in so many channels, with
    a linear map before and one after all of them. `shared_d_ff`: one more expert, of that width, that every
    token passes (Dai et al. 2024, DeepSeekMoE, arXiv:2401.06066, section 3.2).
    """

    def __init__(
        self,
        d_model: int,
        *,
        n_experts: int,
        top_k: int,
        d_ff: int,
        activation: str = "silu",
        gated: bool = True,
        bias: bool = False,
        scoring: str = "softmax",
        renormalise: bool = True,
        routed_scale: float = 1.0,
        choice_bias: bool = False,
        latent: int | None = None,
        shared_d_ff: int | None = None,
    ) -> None:
        super().__init__()
        self.n_experts, self.top_k = n_experts, top_k
        self.activation = ACTIVATIONS[activation]
        self.router = Router(
            d_model,
            n_experts,
            top_k=top_k,
            scoring=scoring,
            renormalise=renormalise,
            routed_scale=routed_scale,
            choice_bias=choice_bias,
        )
        width = d_model if latent is None else latent
        self.gate_up_proj = ExpertLinear(n_experts, width, 2 * d_ff, bias=bias) if gated else None
        self.in_proj = None if gated else ExpertLinear(n_experts, width, d_ff, bias=bias)
        self.out_proj = ExpertLinear(n_experts, d_ff, width, bias=bias)
        self.latent_in = None if latent is None else nn.Linear(d_model, latent, bias=bias)
        self.latent_out = None if latent is None else nn.Linear(latent, d_model, bias=bias)
        self.shared: nn.Module | None = None
        if shared_d_ff is not None:
            kind = GatedMLP if gated else MLP
            self.shared = kind(d_model, d_ff=shared_d_ff, activation=activation, bias=bias)

    def forward(
        self, x: Tensor, state: RouterState | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, RouterState]:
        """Map x [B, T, D] to y [B, T, D]; mask bool [B, T], true at real tokens. Padding passes no expert.

        A mask int64 [B, T] numbers the documents of packed tokens from 1 on, 0 at padding. Raises ValueError
        for a state with or from packed documents.
        """
        packed = mask is not None and mask.dtype != torch.bool
        if state is not None and (packed or state.routed.dim() == 2):
            raise ValueError("packed documents are given whole, without a state: start with state=None")
        B, T, D = x.shape
        tokens = x.reshape(B * T, D)
        experts, weights, probabilities = self.router(tokens)
        if mask is not None:  # padding belongs to no expert: it stands behind them all
            real = mask.reshape(B * T, 1) != 0
            experts = torch.where(real, experts, self.n_experts)
            probabilities = probabilities * real
        hidden = tokens if self.latent_in is None else self.latent_in(tokens)
        y = self.mix(hidden, experts, weights)
        y = y if self.latent_out is None else self.latent_out(y)
        if self.shared is not None:
            y = y + self.shared(tokens)[0]
        y = y.view(B, T, D)
        counts = probabilities.new_zeros(B, self.n_experts + 1)
        counts = counts.scatter_add(1, experts.view(B, T * self.top_k), counts.new_ones(B, T * self.top_k))
        sums = probabilities.view(B, T, self.n_experts).sum(dim=1)
        routed = torch.stack((counts[:, : self.n_experts], sums), dim=1)
        if packed:
            return y, RouterState(routed.sum(dim=0))
        return y, RouterState(routed if state is None else state.routed + routed)

    def mix(self, x: Tensor, experts: Tensor, weights: Tensor) -> Tensor:
        """Σ_k weights[n, k] f_e(x[n]) with e = experts[n, k], for x [N, D]; expert E is none, adds zero."""
        (N, D), K = x.shape, self.top_k
        expert = experts.flatten()
        ends = (expert <= torch.arange(self.n_experts, device=x.device)[:, None]).sum(dim=1)
        # no two keys are alike, so any sort keeps the tokens of an expert in their order
        order = (expert * (N * K) + torch.arange(N * K, device=x.device)).argsort()
        rows = x[:, None].expand(N, K, D).reshape(N * K, D)[order]
        if self.gate_up_proj is not None:
            gate, up = self.gate_up_proj(rows, ends).chunk(2, dim=-1)
            rows = self.activation(gate) * up
        elif self.in_proj is not None:
            rows = self.activation(self.in_proj(rows, ends))
        y = self.out_proj(rows, ends)[order.argsort()].view(N, K, D)
        mixed: Tensor = (y * weights[..., None]).sum(dim=1).to(x.dtype)
        return mixed
