"""Declaration of the mixture of experts. E experts, K of them a token, F channels inside one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from blocks import Call, Complaint, Component, Cost, D, Inside, Kernel, Op, Saved, Sizes, T, Target, TokenWise
from blocks_feedforward.specs import MLP, GatedMLP


def _suits(target: Target, component: Component) -> bool:
    """Whether torch has a grouped matrix product for this target: bfloat16, or float32 on a CPU."""
    return (target.device in ("cpu", "cuda") and target.dtype == "bfloat16") or (
        target.device == "cpu" and target.dtype == "float32"
    )


def _prefers(target: Target, component: Component) -> bool:
    """On a GPU the reference would wait for the groups' sizes."""
    return target.device == "cuda"


GROUPED_LINEAR = Kernel("blocks_feedforward.kernels:grouped_linear")
GROUPED_MM = Kernel("blocks_feedforward.grouped_mm:grouped_linear", _suits, _prefers)


class MoE(TokenWise):
    """A mixture of experts, a few of them for each token (Shazeer et al. 2017, arXiv:1701.06538).

    As it stands it is Mixtral's (Jiang et al. 2024, arXiv:2401.04088, section 2.1).
    """

    module = "blocks_feedforward.moe:MoE"
    symbol = "E"
    phrases = ("mixture of experts", "MoE", "mixture-of-experts FFN", "sparse mixture of experts")
    adjectives: ClassVar[Mapping[str, Mapping[str, Any]]] = {**MLP.adjectives, **GatedMLP.adjectives}
    ops = ("grouped_linear",)
    functions: ClassVar[Mapping[str, str]] = GatedMLP.functions

    n_experts: int = Field(8, gt=1, description="feed-forward networks to choose from")
    top_k: int = Field(2, gt=0, description="experts that each token passes")
    d_ff: int | None = Field(
        None,
        gt=0,
        description="channels inside an expert; default: as in gated_mlp, or in mlp where the activation is plain",
    )
    activation: Literal[
        "swiglu", "geglu", "geglu_tanh", "reglu", "relu", "gelu", "gelu_tanh", "relu2", "silu"
    ] = Field("swiglu", description="the gate's function, as in gated_mlp, or that of experts like mlp's")
    bias: bool = Field(False, description="biases in the linear maps of the experts")
    scoring: Literal["softmax", "sigmoid"] = Field(
        "softmax", description="from the router's logits to scores; sigmoid as in DeepSeek-V3"
    )
    renormalise: bool = Field(True, description="the weights of a token's experts sum to one")
    routed_scale: float = Field(1.0, gt=0, description="factor of what the chosen experts give together")
    choice_bias: bool = Field(
        False,
        description="a number an expert, held fixed, that is added to scores where experts are chosen and nowhere "
        "else, to balance their load without a loss (Wang et al. 2024, arXiv:2408.15664)",
    )
    latent: int | None = Field(
        None,
        gt=0,
        description="channels that experts read and write, mapped from and to d_model; default: d_model",
    )
    shared_d_ff: int | None = Field(
        None,
        gt=0,
        description="channels inside one more expert that every token passes; default: there is none",
    )

    @property
    def gated(self) -> bool:
        """Whether experts are gated networks."""
        return self.activation in self.functions

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        if self.top_k > self.n_experts:
            yield Complaint(
                "top_k",
                f"a token cannot pass {self.top_k} of {self.n_experts} experts",
                help=f"at most {self.n_experts}, or more n_experts",
                code="B0345",
                related=("n_experts",),
            )
        elif self.top_k == 1 and self.renormalise:
            yield Complaint(
                "renormalise",
                "the weight of a single expert is one after renormalising, so the router would never learn from y",
                help="renormalise: false, as in Switch, or top_k: 2",
                code="B0312",
                related=("top_k",),
            )

    def bind(self, sizes: Sizes) -> Self:
        usual = (GatedMLP() if self.gated else MLP()).bind(sizes).d_ff
        return self.model_copy(update={"d_ff": self.d_ff or usual})

    def waivers(self) -> Mapping[str, str]:
        return {
            "causal_replacement": "the tokens of an expert are one matrix product, which rounds by the number of its "
            "rows, so later tokens move the last bits of earlier ones; no token takes another's place"
        }

    def call(self, width: int) -> Call:
        given: dict[str, Any] = {"n_experts": self.n_experts, "top_k": self.top_k, "d_ff": self.d_ff}
        given["activation"] = self.functions.get(self.activation, self.activation)
        if not self.gated:
            given["gated"] = False
        names = (
            "bias", "scoring", "renormalise", "routed_scale", "choice_bias", "latent", "shared_d_ff",
        )  # fmt: skip
        usual = type(self).model_fields
        changed = {name: getattr(self, name) for name in names if getattr(self, name) != usual[name].default}
        return Call(self.module, (width,), given | changed)

    def _widths(self) -> tuple[Any, Any]:
        """Channels that an expert reads, and channels inside it."""
        return self.latent or D, self.d_ff or (8 * D / 3 if self.gated else 4 * D)

    def _expert(self, width: Any, inner: Any) -> tuple[Any, Any]:
        """Weights and biases of one feed-forward network."""
        matrices = 3 if self.gated else 2
        return matrices * width * inner, self.bias * ((matrices - 1) * inner + width)

    def cost(self) -> Cost:
        width, inner = self._widths()
        weights, biases = self._expert(width, inner)
        router = D * self.n_experts
        common: Any = 0
        common_biases: Any = 0
        if self.latent is not None:
            common, common_biases = 2 * D * self.latent, self.bias * (self.latent + D)
        if self.shared_d_ff is not None:
            shared, shared_biases = self._expert(D, self.shared_d_ff)
            common, common_biases = common + shared, common_biases + shared_biases
        return Cost(
            params=router + self.n_experts * (weights + biases) + common + common_biases,
            flops=2 * (router + self.top_k * weights + common) * T,
            state_fp32=2 * self.n_experts,
        )

    def saved(self) -> Saved:
        width, inner = self._widths()
        maps = 2 if self.gated else 1
        each = (
            2 * width + (2 * maps) * inner
        )  # rows gathered and put out; inside, both sides of the activation
        shared = 2 * maps * (self.shared_d_ff or 0)
        latent = 2 * (self.latent or 0)
        return Saved((2 * self.n_experts + self.top_k * each + shared + latent) * T)

    def inside(self) -> Inside:
        width, inner = self._widths()
        count, bias = self.n_experts, self.bias
        wide = ("B", "T", self.top_k, inner)
        ops = [
            Op("router", "linear", ("x",), ("B", "T", count), D * count),
            Op(
                "choice", "gate", ("router",), ("B", "T", self.top_k),
                label=f"{self.scoring}, {self.top_k} of {count}",
            ),
        ]  # fmt: skip
        read = "x"
        if self.latent is not None:
            params = D * self.latent + bias * self.latent
            ops.append(Op("latent_in", "linear", ("x",), ("B", "T", self.latent), params))
            read = "latent_in"
        each = count * (width * inner + bias * inner)
        if self.gated:
            names, last = ("gate_proj", "up_proj"), "gate"
            ops += [Op(name, "linear", (read, "choice"), wide, each, fuse="gate_up_proj") for name in names]
            ops.append(Op("gate", "gate", names, wide, label=self.activation))
        else:
            last = "activation"
            ops.append(Op("in_proj", "linear", (read, "choice"), wide, each))
            ops.append(Op("activation", "activation", ("in_proj",), wide, label=self.activation))
        params = count * (inner * width + bias * width)
        ops.append(Op("out_proj", "linear", (last,), ("B", "T", self.top_k, width), params))
        ops.append(Op("mix", "sum", ("out_proj", "choice"), ("B", "T", width), label="weighted sum"))
        if self.latent is not None:
            params = self.latent * D + bias * D
            ops.append(Op("latent_out", "linear", ("mix",), ("B", "T", D), params))
        if self.shared_d_ff is not None:
            shared, shared_biases = self._expert(D, self.shared_d_ff)
            label = f"expert of all, {self.activation}"
            ops.append(Op("shared", "linear", ("x",), ("B", "T", D), shared + shared_biases, label=label))
            ops.append(Op("sum", "sum", (ops[-2].name, "shared"), ("B", "T", D)))
        return Inside(tuple(ops))
