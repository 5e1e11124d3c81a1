"""Declarations of softmax attention. H query heads, G key/value heads, P channels a head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from blocks import Call, Complaint, Cost, Inside, Mixer, Norm, Position, Saved, Sizes
from blocks_attention.checks import complaints
from blocks_attention.costs import cost, saved
from blocks_attention.drawing import inside


class MultiHead(Mixer):
    """Scaled dot-product attention with several heads (Vaswani et al. 2017, arXiv:1706.03762, section 3.2).

    With a memory, cross attention: keys and values are those of another stream, all of them seen. With keys
    and values of an earlier block, only queries are its own (Brandon et al. 2024, arXiv:2405.12981).
    """

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
        None,
        gt=0,
        description="tokens that a token sees on one side, itself among them: before it, and after it where "
        "the mask is bidirectional; default: all",
    )
    global_tokens: int | None = Field(
        None,
        gt=0,
        description="with a window, the first tokens of a sequence that are seen from any distance, and where "
        "the mask is bidirectional see everything: 1 for a [CLS], 4 for attention sinks; default: none",
    )
    position: Position | None = Field(
        None,
        description="how order enters: turns queries and keys (rope), biases the scores (alibi, relative), or is "
        "added to what queries and keys are projected from (sinusoidal, learned); positions count the real "
        "tokens before a token",
    )
    qk_norm: Norm | None = Field(None, description="norm of queries and keys, before the position")
    qk_norm_over: Literal["head", "projection"] = Field(
        "head",
        description="what `qk_norm` normalises: the channels of each head by themselves, or those of all heads of a "
        "query, and of a key, at once (OLMo 2)",
    )
    score_scale: float | None = Field(
        None, gt=0, description="factor of every query-key product; default: head_dim^-0.5"
    )
    score_cap: float | None = Field(
        None, gt=0, description="soft bound c of the scores: s becomes c * tanh(s / c); default: none"
    )

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        yield from complaints(self, sizes)

    def bind(self, sizes: Sizes) -> Self:
        heads, dim = self.n_heads, self.head_dim
        if heads is None and dim is None:
            dim = next(d for d in range(min(64, sizes.d_model), 0, -1) if sizes.d_model % d == 0)
        if heads is None:
            assert dim is not None
            heads = max(1, sizes.d_model // dim)
        dim = dim or sizes.d_model // heads
        update: dict[str, Any] = {"n_heads": heads, "head_dim": dim, "n_kv_heads": self.n_kv_heads or heads}
        bound = self.model_copy(update=update)
        slots = {name: inner.bind(bound.slot_sizes(name, sizes)) for name, inner in bound.slots().items()}
        return bound.model_copy(update=slots)

    def slot_sizes(self, name: str, sizes: Sizes) -> Sizes:
        """The sizes that a slot of the bound mixer is bound to."""
        assert self.n_heads is not None
        assert self.head_dim is not None
        if name == "position" and self.position is not None and self.position.where != "heads":
            return sizes if self.position.where == "stream" else Sizes(self.n_heads)
        if name == "qk_norm" and self.qk_norm_over == "projection":
            return Sizes(self.n_heads * self.head_dim)
        return Sizes(self.head_dim)

    def capabilities(self) -> frozenset[str]:
        causal = frozenset({"causal", "cached", "padded", "packed"})
        if self.memory_width is not None:
            return causal | {"cross"}
        if self.borrows:
            return causal | {"borrows"}
        return (causal if self.mask == "causal" else frozenset({"padded", "packed"})) | {"cross", "borrows"}

    def sees(self, query: int, key: int) -> bool:
        if self.memory_width is not None:
            return key == query
        both, window = self.mask == "bidirectional", self.window
        first = (min(query, key) if both else key) < (self.global_tokens or 0)
        return (both or key <= query) and (window is None or abs(query - key) < window or first)

    def equivariant(self) -> bool:
        if self.memory_width is not None:
            return True
        return self.mask == "bidirectional" and self.window is None and self.position is None

    def waivers(self) -> Mapping[str, str]:
        longest = getattr(self.position, "max_len", None)
        if longest is None or longest >= 4096:
            return {}
        return {"many_tokens": f"the table has {longest} positions: a longer sequence is an error"}

    def lends(self) -> tuple[Any, ...] | None:
        """Key/value heads, channels a head, what has turned the keys; None where keys are not all kept."""
        if self.mask != "causal" or self.window is not None or self.borrows or self.memory_width is not None:
            return None
        turned = self.position if self.position is not None and self.position.where == "heads" else None
        if turned is None:
            return self.n_kv_heads, self.head_dim, "keys not turned"
        fields = type(turned).model_fields
        changed = ((name, getattr(turned, name)) for name in fields)
        options = [f"{name}={value!r}" for name, value in changed if value != fields[name].default]
        return self.n_kv_heads, self.head_dim, f"{turned.name}({', '.join(options)})"

    def call(self, width: int) -> Call:
        sizes = Sizes(width)
        options: dict[str, Any] = {
            "n_heads": self.n_heads, "n_kv_heads": self.n_kv_heads, "head_dim": self.head_dim
        }  # fmt: skip
        if self.memory_width is not None:
            target, options = "cross:CrossAttention", {"memory_width": self.memory_width} | options
        elif self.borrows:
            target = "borrowed:BorrowedAttention"
        elif self.window is None:
            target = "module:Attention"
        elif self.mask == "bidirectional":
            target = "local:LocalAttention"
        else:
            target = "sinks:SinkAttention" if self.global_tokens else "window:SlidingWindowAttention"
        given: dict[str, Any] = {"window": self.window, "global_tokens": self.global_tokens}
        given |= {"qkv_bias": self.qkv_bias or None, "out_bias": self.out_bias or None}
        if target == "module:Attention" and self.mask == "bidirectional":
            given["causal"] = False
        if self.position is not None:
            given["position"] = self.position.call(self.slot_sizes("position", sizes).d_model)
            given["position_at"] = self.position.where if self.position.where != "heads" else None
        if self.qk_norm is not None:
            assert self.head_dim is not None
            assert self.n_heads is not None
            assert self.n_kv_heads is not None
            together = self.qk_norm_over == "projection"
            queries, keys = (self.n_heads, self.n_kv_heads) if together else (1, 1)
            given["q_norm"] = self.qk_norm.call(queries * self.head_dim)
            given["k_norm"] = None if self.borrows else self.qk_norm.call(keys * self.head_dim)
            given["norm_over"] = "projection" if together else None
        given |= {"score_scale": self.score_scale, "score_cap": self.score_cap}
        options |= {name: value for name, value in given.items() if value is not None}
        return Call(f"blocks_attention.{target}", (width,), options)

    def cost(self) -> Cost:
        return cost(self)

    def saved(self) -> Saved | None:
        return saved(self)

    def parts(self) -> int:
        return self.n_kv_heads or self.n_heads or 1

    def inside(self) -> Inside:
        return inside(self)


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

    phrases: ClassVar[tuple[str, ...]] = (
        "sliding-window attention",
        "windowed attention",
        "local attention",
        "SWA",
    )

    window: int = Field(
        4096,
        gt=0,
        description="tokens that a token sees on one side, itself among them: before it, and after it where "
        "the mask is bidirectional",
    )
