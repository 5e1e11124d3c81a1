"""Declarations of the positions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from blocks import Call, Complaint, Cost, D, Position, Sizes
from blocks_positions.scalings import SCALING_OPTIONS, SCALINGS, Factors, bounds


class RoPE(Position):
    """Rotary position embedding (Su et al. 2021, arXiv:2104.09864, section 3.2), with ways to scale it.

    linear: positions are divided by `factor` (Chen et al. 2023, arXiv:2306.15595).
    dynamic: beyond `original_max_len` tokens theta grows with the length, for each token with the length up to
    it, so that decoding step by step is exact (Peng et al. 2023, arXiv:2309.00071, section 3.3). transformers
    recomputes a whole prompt by the length of the prompt, and agrees with this where it decodes by steps.
    yarn: low frequencies are divided by `factor`, high ones kept, and attention is sharpened (Peng et al. 2023,
    arXiv:2309.00071, section 3.4).
    llama3: low frequencies are divided by `factor`, high ones kept, between them interpolated
    (Grattafiori et al. 2024, arXiv:2407.21783).
    longrope: each pair has divisors of its own, one up to `long_after` tokens and one after them, and attention is
    sharpened (Ding et al. 2024, arXiv:2402.13753). transformers turns all tokens of a call by the long divisors once
    it reaches beyond `original_max_len`: it agrees with this up to that length, and beyond it with `long_after: 0`.
    """

    where = "heads"
    module = "blocks_positions.module:RoPE"
    phrases = ("RoPE", "rotary positions", "rotary", "rotary position embeddings", "rotary embeddings")

    theta: float = Field(10000.0, gt=0, description="base of the wavelengths")
    rotary_dim: int | None = Field(None, gt=0, description="channels of a head that rotate; default: all")
    interleaved: bool = Field(
        False, description="pairs are neighbours (RoFormer, GPT-J), not halves of the head (GPT-NeoX, Llama)"
    )
    scaling: Literal["none", "linear", "dynamic", "yarn", "longrope", "llama3"] = Field(
        "none", description="how longer contexts are reached"
    )
    factor: float | None = Field(None, ge=1, description="how many times longer the context becomes")
    low_freq_factor: float | None = Field(
        None, gt=0, description="llama3: wavelengths above L / this are divided"
    )
    high_freq_factor: float | None = Field(
        None, gt=0, description="llama3: wavelengths below L / this are kept"
    )
    original_max_len: int | None = Field(
        None, gt=0, description="dynamic, yarn, longrope, llama3: context L of the unscaled model, in tokens"
    )
    attention_factor: float | None = Field(
        None,
        gt=0,
        description="yarn, longrope: multiplies queries and keys; default: 0.1 ln(factor) + 1 in yarn, "
        "sqrt(1 + ln(factor) / ln(L)) in longrope",
    )
    beta_fast: float | None = Field(
        None, gt=0, description="yarn: pairs with more turns in L tokens are kept; default: 32"
    )
    beta_slow: float | None = Field(
        None, gt=0, description="yarn: pairs with fewer turns in L tokens are divided; default: 1"
    )

    short_factor: Factors | None = Field(
        None, description="longrope: divisors of the frequencies in the first tokens, one a pair of channels"
    )
    long_factor: Factors | None = Field(None, description="longrope: the same for the tokens after those")
    long_after: int | None = Field(
        None,
        ge=0,
        description="longrope: tokens of a sequence that turn by short_factor; 0: none; default: original_max_len",
    )

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        rotary = self.rotary_dim or sizes.d_model
        if rotary % 2 or rotary > sizes.d_model:
            yield Complaint(
                "rotary_dim",
                f"RoPE rotates pairs of channels: {rotary} of {sizes.d_model} channels a head cannot be paired",
                help="an even number up to head_dim",
                code="B0314",
            )
        needed, possible = SCALINGS[self.scaling][1:]
        missing = False
        for name in SCALING_OPTIONS:
            given = getattr(self, name) is not None
            if given and name not in (*needed, *possible):
                yield Complaint(
                    name,
                    f"{name} has no meaning with scaling: {self.scaling}",
                    help="leave it out, or choose another scaling",
                    code="B0312",
                    related=("scaling",),
                )
            elif not given and name in needed:
                missing = True
                yield Complaint(
                    "scaling", f"{self.scaling} scaling needs {name}", help=f"add {name}", code="B0202"
                )
        if not missing:
            yield from bounds(self, rotary)

    def filled(self) -> Self:
        """The same with the usual values of what its scaling can have."""
        if self.scaling == "longrope" and self.factor and self.original_max_len:
            sharper = self.attention_factor
            if sharper is None:
                sharper = math.sqrt(1 + math.log(self.factor) / math.log(self.original_max_len))
            after = self.original_max_len if self.long_after is None else self.long_after
            return self.model_copy(update={"attention_factor": sharper, "long_after": after})
        if self.scaling != "yarn":
            return self
        usual = 0.1 * math.log(self.factor) + 1 if self.factor else None
        return self.model_copy(
            update={
                "attention_factor": self.attention_factor or usual,
                "beta_fast": self.beta_fast or 32.0,
                "beta_slow": self.beta_slow or 1.0,
            }
        )

    def bind(self, sizes: Sizes) -> Self:
        return self.filled()

    def call(self, width: int) -> Call:
        options: dict[str, Any] = {"theta": self.theta}
        if self.rotary_dim is not None and self.rotary_dim != width:
            options["rotary_dim"] = self.rotary_dim
        if self.interleaved:
            options["interleaved"] = True
        target, needed, possible = SCALINGS[self.scaling]
        given = {name: getattr(self, name) for name in (*needed, *possible)}
        options |= {name: value for name, value in given.items() if value is not None}
        return Call(f"blocks_positions.module:{target}", (width,), options)


class Learned(Position):
    """A learned vector for each position, added to the embeddings (Gehring et al. 2017, arXiv:1705.03122)."""

    packed = True
    module = "blocks_positions.stream:LearnedPositions"
    phrases = ("learned positions", "learned position embeddings", "learned positional embeddings")

    max_len: int = Field(2048, gt=0, description="longest context, in tokens")
    offset: int = Field(
        0, ge=0, description="rows of the table before that of the first token; 2 in BART and OPT"
    )

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        if sizes.length is not None and self.max_len < sizes.length:
            yield Complaint(
                "max_len",
                f"{self.max_len} positions are fewer than the {sizes.length} vectors that the input is made into",
                help=f"max_len: {sizes.length}",
                code="B0347",
            )

    def cost(self) -> Cost:
        return Cost(params=(self.max_len + self.offset) * D, state_int64=1)

    def longest(self) -> int | None:
        return self.max_len


class Sinusoidal(Position):
    """Sines and cosines of the position, added to the embeddings (Vaswani et al. 2017, section 3.5)."""

    packed = True
    module = "blocks_positions.stream:SinusoidalPositions"
    phrases = ("sinusoidal positions", "sinusoidal", "sinusoidal position encoding")

    max_period: float = Field(10000.0, gt=0, description="the longest wavelength is 2π times this, in tokens")
    halves: bool = Field(False, description="all sines, then all cosines (Marian); otherwise they alternate")

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        if sizes.d_model % 2:
            yield Complaint(
                "max_period",
                f"sinusoids come in pairs of sine and cosine, and d_model = {sizes.d_model} is odd",
                help=f"use d_model: {sizes.d_model + 1}, or learned positions",
                code="B0344",
                related=("d_model",),
            )

    def cost(self) -> Cost:
        return Cost(state_int64=1)


class ALiBi(Position):
    """Scores are lowered by the distance between query and key (Press et al. 2022, arXiv:2108.12409, section 3).

    Each head has a fixed slope, for any number of heads; a key after the query counts by its distance too.
    """

    where = "scores"
    module = "blocks_positions.scores:ALiBi"
    phrases: ClassVar[tuple[str, ...]] = ("ALiBi", "attention with linear biases", "linear biases")


class Relative(Position):
    """A learned bias a head and bucket of distances (Raffel et al. 2020, arXiv:1910.10683, section 2.1).

    The width of its input is the number of heads: `D` in its cost. T5 has one table for all blocks of a stack:
    give them the same `share`.
    """

    where = "scores"
    module = "blocks_positions.scores:RelativePositions"
    phrases: ClassVar[tuple[str, ...]] = (
        "relative positions", "relative position buckets", "relative position bias", "T5 positions",
    )  # fmt: skip

    n_buckets: int = Field(32, gt=0, description="rows of the table, one a range of distances")
    max_distance: int = Field(
        128, gt=0, description="tokens from which on all distances share the last bucket"
    )
    bidirectional: bool = Field(
        False, description="half of the buckets are for keys after the query; for a mask that shows them"
    )
    share: str | None = Field(
        None, min_length=1, description="name of a group of mixers that have one table; default: each its own"
    )

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        sides = 2 if self.bidirectional else 1
        exact = self.n_buckets // sides // 2
        if self.n_buckets % sides or not exact:
            yield Complaint(
                "n_buckets",
                f"{self.n_buckets} buckets cannot be shared out"
                + (" evenly between keys before and after the query" if self.bidirectional else ""),
                help=f"an even number from {2 * sides} on" if self.bidirectional else "at least 2; T5 has 32",
                code="B0338",
            )
        elif self.max_distance <= exact:
            yield Complaint(
                "max_distance",
                f"{exact} buckets stand for one distance each, so max_distance = {self.max_distance} leaves nothing "
                "for the others",
                help=f"more than {exact}; T5 has 128",
                code="B0338",
            )

    def share_group(self) -> str | None:
        return self.share

    def call(self, width: int) -> Call:
        options = {name: getattr(self, name) for name in ("n_buckets", "max_distance", "bidirectional")}
        return Call(self.module, (width,), options)

    def cost(self) -> Cost:
        return Cost(params=self.n_buckets * D)
