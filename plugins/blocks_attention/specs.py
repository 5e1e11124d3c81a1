"""Declarations of softmax attention. H query heads, G key/value heads, P channels a head."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from blocks import Call, Complaint, Cost, D, Inside, Mixer, Op, Position, Sizes, T, minimum


class MultiHead(Mixer):
    """Scaled dot-product attention with several heads (Vaswani et al. 2017, arXiv:1706.03762, section 3.2)."""

    module = "blocks_attention.module:Attention"
    symbol = "*"
    phrases: ClassVar[tuple[str, ...]] = (
        "multi-head attention",
        "attention",
        "self-attention",
        "full attention",
        "MHA",
    )

    n_heads: int | None = Field(None, gt=0, description="query heads; default: d_model / head_dim")
    n_kv_heads: int | None = Field(None, gt=0, description="key/value heads; default: n_heads")
    head_dim: int | None = Field(
        None, gt=0, description="channels a head; default: d_model / n_heads, or 64 where both are free"
    )
    qkv_bias: bool = Field(False, description="biases in the query, key and value projections")
    out_bias: bool = Field(False, description="bias in the output projection")
    mask: Literal["causal", "bidirectional"] = Field("causal", description="which tokens a token sees")
    window: int | None = Field(
        None, gt=0, description="a token sees itself and the window - 1 tokens before it"
    )
    position: Position | None = Field(None, description="position applied to queries and keys")

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        d_model, heads = sizes.d_model, self.n_heads
        if heads is not None and self.head_dim is None and d_model % heads:
            fits = [n for n in range(1, d_model + 1) if d_model % n == 0]
            below = max((n for n in fits if n < heads), default=None)
            above = min((n for n in fits if n > heads), default=None)
            near = " or ".join(str(n) for n in (below, above) if n is not None)
            yield Complaint(
                "n_heads",
                f"{heads} heads do not divide d_model = {d_model}",
                label=f"{d_model} / {heads} = {d_model / heads:.2f}",
                help=f"use {near} heads, or set head_dim",
                code="B0307",
                related=("d_model",),
            )
            return
        bound = self.bind(sizes)
        assert bound.n_heads is not None
        assert bound.head_dim is not None
        if self.n_heads is None and self.head_dim is not None and d_model % self.head_dim:
            yield Complaint(
                "head_dim",
                f"heads of {self.head_dim} channels do not divide d_model = {d_model}",
                label=f"{d_model} / {self.head_dim} = {d_model / self.head_dim:.2f}",
                help="set n_heads as well: head_dim is free of d_model then",
                code="B0307",
                related=("d_model",),
            )
        elif self.n_kv_heads is not None and bound.n_heads % self.n_kv_heads:
            fits = [n for n in range(1, bound.n_heads + 1) if bound.n_heads % n == 0]
            yield Complaint(
                "n_kv_heads",
                f"{self.n_kv_heads} key/value heads cannot serve {bound.n_heads} query heads evenly",
                help=f"n_kv_heads is one of {', '.join(map(str, fits))}",
                code="B0306",
            )
        if self.window is not None and self.mask == "bidirectional":
            yield Complaint(
                "window",
                "a window looks back, and a bidirectional mask looks both ways",
                help="leave out window, or use mask: causal",
                code="B0312",
            )
        if self.position is not None:
            if self.position.where != "heads":
                yield Complaint(
                    "position",
                    f"{self.position.name} positions are added to the embeddings, not to queries and keys",
                    help="write `- position: ...` after `- embed: ...`",
                    code="B0313",
                )
            else:
                yield from self.check_slot("position", Sizes(bound.head_dim))

    def bind(self, sizes: Sizes) -> Self:
        heads, dim = self.n_heads, self.head_dim
        if heads is None and dim is None:
            dim = next(d for d in range(min(64, sizes.d_model), 0, -1) if sizes.d_model % d == 0)
        if heads is None:
            assert dim is not None
            heads = max(1, sizes.d_model // dim)
        dim = dim or sizes.d_model // heads
        update: dict[str, Any] = {"n_heads": heads, "head_dim": dim, "n_kv_heads": self.n_kv_heads or heads}
        if self.position is not None and self.position.where == "heads":
            update["position"] = self.position.bind(Sizes(dim))
        return self.model_copy(update=update)

    def capabilities(self) -> frozenset[str]:
        return frozenset({"causal", "cached", "padded"} if self.mask == "causal" else {"padded"})

    def _sizes(self) -> tuple[Any, Any, Any]:
        """Heads, key/value heads and channels a head: numbers once bound, else with d_model = D."""
        dim: Any = self.head_dim or (D / self.n_heads if self.n_heads else 64)
        heads: Any = self.n_heads or D / dim
        return heads, self.n_kv_heads or heads, dim

    def call(self, width: int) -> Call:
        heads, kv_heads, dim = self.n_heads, self.n_kv_heads, self.head_dim
        assert heads is not None
        assert dim is not None
        options: dict[str, Any] = {"n_heads": heads, "n_kv_heads": kv_heads, "head_dim": dim}
        if self.window is not None:
            options["window"] = self.window
        options |= {"qkv_bias": self.qkv_bias, "out_bias": self.out_bias}
        if self.mask == "bidirectional":
            options["causal"] = False
        options["position"] = self.position.call(dim) if self.position is not None else None
        sliding = "blocks_attention.module:SlidingWindowAttention"
        return Call(sliding if self.window is not None else self.module, (width,), options)

    def cost(self) -> Cost:
        heads, kv_heads, dim = self._sizes()
        queries, keys = heads * dim, kv_heads * dim
        weights = D * (queries + 2 * keys) + queries * D
        biases = self.qkv_bias * (queries + 2 * keys) + self.out_bias * D
        if self.mask == "bidirectional":
            return Cost(weights + biases, 2 * weights * T + 4 * queries * T * T)
        if self.window is None:
            return Cost(
                params=weights + biases,
                flops=2 * weights * T + 4 * queries * T * T,
                step=2 * weights + 4 * queries * (T + 1),
                state=2 * keys * T,
            )
        # Blocks of W queries over 2W keys: exact up to 2W tokens and at multiples of W.
        held: Any = minimum(T, self.window - 1) if self.window > 1 else 0
        return Cost(
            params=weights + biases,
            flops=2 * weights * T + 4 * queries * T * minimum(T, 2 * self.window),
            step=2 * weights + 4 * queries * (held + 1),
            state=2 * keys * held,
            state_int64=1,
        )

    def inside(self) -> Inside:
        heads, kv_heads, dim = self._sizes()

        def project(name: str, count: Any) -> Op:
            size = count * dim
            return Op(
                name, "linear", ("x",), ("B", "T", size), D * size + self.qkv_bias * size, fuse="qkv_proj"
            )

        ops = [project("q_proj", heads), project("k_proj", kv_heads), project("v_proj", kv_heads)]
        queries, keys = "q_proj", "k_proj"
        if self.position is not None:
            ops.append(
                Op("position", "position", (queries, keys), ("B", "T", heads * dim), label=self.position.name)
            )
            queries = keys = "position"
        seen = f"window {self.window}" if self.window else self.mask
        ops += [
            Op("scores", "scores", tuple(dict.fromkeys((queries, keys, "v_proj"))), ("B", "T", heads * dim),
               label=f"softmax attention, {seen}"),
            Op("out_proj", "linear", ("scores",), ("B", "T", D), heads * dim * D + self.out_bias * D),
        ]  # fmt: skip
        return Inside(tuple(ops))


class GroupedQuery(MultiHead):
    """Query heads in groups that share a key/value head (Ainslie et al. 2023, arXiv:2305.13245)."""

    phrases: ClassVar[tuple[str, ...]] = ("grouped-query attention", "GQA")

    n_kv_heads: int = Field(8, gt=0, description="key/value heads")


class MultiQuery(MultiHead):
    """All query heads share one key/value head (Shazeer 2019, arXiv:1911.02150)."""

    phrases: ClassVar[tuple[str, ...]] = ("multi-query attention", "MQA")

    n_kv_heads: Literal[1] = Field(1, description="key/value heads: one")


class SlidingWindow(MultiHead):
    """Attention to the last `window` tokens (Beltagy et al. 2020, arXiv:2004.05150, section 3.1)."""

    phrases: ClassVar[tuple[str, ...]] = ("sliding-window attention", "local attention", "SWA")

    window: int = Field(4096, gt=0, description="a token sees itself and the window - 1 tokens before it")
