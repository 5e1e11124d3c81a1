"""The declaration of retention. H heads, P channels of queries and keys a head, V channels of values a head."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Self

from pydantic import Field

from blocks import Complaint, Cost, D, Inside, Mixer, Op, Sizes, T, minimum


class Retention(Mixer):
    """Multi-scale retention: attention without softmax over a fading memory (Sun et al. 2023, arXiv:2307.08621)."""

    module = "blocks_retention.module:Retention"
    phrases: ClassVar[tuple[str, ...]] = ("multi-scale retention", "retention", "MSR")

    n_heads: int = Field(4, gt=0, description="memories a layer; head h fades by 2^(-5-h) a token")
    head_dim: int | None = Field(
        None, gt=0, description="channels of queries and keys a head; default: d_model / n_heads"
    )
    value_dim: int | None = Field(None, gt=0, description="channels of values a head; default: 2 head_dim")
    theta: float = Field(10000.0, gt=1, description="base of the rotation of queries and keys")
    eps: float = Field(1e-6, gt=0, description="added to the mean square in the norm of each head")
    chunk_size: int = Field(64, gt=0, description="tokens computed at once; does not change the result")

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        width, heads = sizes.d_model, self.n_heads
        if self.head_dim is None and width % heads:
            fits = [n for n in range(1, width // 2 + 1) if width % (2 * n) == 0]
            near = sorted(sorted(fits, key=lambda n: abs(n - heads))[:2])
            yield Complaint(
                "n_heads",
                f"{heads} heads do not divide d_model = {width}",
                label=f"{width} / {heads} = {width / heads:.2f}",
                help=f"use {' or '.join(map(str, near))} heads, or set head_dim" if near else "set head_dim",
                code="B0307",
                related=("d_model",),
            )
        elif (dim := self.head_dim or width // heads) % 2:
            yield Complaint(
                "head_dim" if self.head_dim else "n_heads",
                f"heads of {dim} channels cannot be rotated: channels turn in pairs",
                help="choose an even head_dim",
            )

    def bind(self, sizes: Sizes) -> Self:
        dim = self.head_dim or sizes.d_model // self.n_heads
        return self.model_copy(update={"head_dim": dim, "value_dim": self.value_dim or 2 * dim})

    def _sizes(self) -> tuple[Any, Any]:
        """Channels of keys and of values in all heads: numbers once bound, else with d_model = D."""
        dim: Any = self.head_dim or D / self.n_heads
        return self.n_heads * dim, self.n_heads * (self.value_dim or 2 * dim)

    def cost(self) -> Cost:
        keys, values = self._sizes()
        weights = D * (2 * keys + 2 * values) + values * D
        memory = keys * values / self.n_heads
        # A chunk of L tokens: 2L for each key channel in Q·Kᵀ and for each value channel in its product with V;
        # 2 for each number of the memory to write it (Kᵀ·V) and to read it (Q·S): equation 7. Exact up to one
        # chunk and at whole chunks, an upper bound between. A step (equation 6) writes elementwise.
        length = minimum(T, self.chunk_size)
        return Cost(
            params=weights,
            flops=(2 * weights + 2 * length * (keys + values) + 4 * memory) * T,
            step=2 * weights + 2 * memory,
            state_fp32=memory,
            state_int64=1,
        )

    def inside(self) -> Inside:
        keys, values = self._sizes()

        def project(name: str, size: Any) -> Op:
            return Op(name, "linear", ("x",), ("B", "T", size), D * size, fuse="in_proj")

        return Inside(
            (
                project("q_proj", keys),
                project("k_proj", keys),
                project("v_proj", values),
                project("g_proj", values),
                Op("rotation", "position", ("q_proj", "k_proj"), ("B", "T", keys), label="xPos rotation"),
                Op(
                    "retention", "scan", ("rotation", "v_proj"), ("B", "T", values),
                    label=f"retention, {self.n_heads} decays",
                ),
                Op("norm", "norm", ("retention",), ("B", "T", values), label="RMS norm a head"),
                Op("gate", "gate", ("norm", "g_proj"), ("B", "T", values), label="swish gate"),
                Op("out_proj", "linear", ("gate",), ("B", "T", D), values * D),
            )
        )  # fmt: skip
