"""Planned blocks: what a kind of block is made of, and where one stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from blocks.component import Component, Mixer, Norm
from blocks.validation import Path


@dataclass(frozen=True, eq=False, slots=True)
class Branch:
    """One of the mixers of a block, with what is its own: `scale * out_norm(mixer(norm(x)))`.

    name         of the attribute that holds it: "mixer", or its block's name where several run in parallel
    entry        its block's name as the recipe has it, where several run in parallel
    norm         None: it reads what the norm of the block gives, or, `unnormed`, the stream as it is
    layer_scale  value at the start of a learned factor for each channel; None: there is none
    memory       the stream that it reads besides its own
    """

    name: str
    mixer: Mixer
    norm: Norm | None = None
    out_norm: Norm | None = None
    scale: float = 1.0
    layer_scale: float | None = None
    memory: str | None = None
    entry: str = ""
    unnormed: bool = False


@dataclass(frozen=True, eq=False)
class BlockType:
    """A kind of block: `alpha x + scale * out_norm(join(branches))`, each branch reading norm(x). Compared by identity.

    norm         None: there is none, or no branch reads it
    said_norm    what `norm` says, used or not
    residual     pre, post, sandwich, none; `post` puts the norm after the sum
    join         how several branches become one: sum, mean, concat; "" where there is one
    adapter      mixer beside the shared one, with parameters for each use of its own
    share        group of blocks with the same parameters
    kv_from      as written
    width        channels of the input; `out_width` those of the output
    """

    name: str
    branches: tuple[Branch, ...]
    norm: Norm | None
    residual: str
    origin: Path
    width: int
    out_width: int
    out_norm: Norm | None = None
    scale: float = 1.0
    layer_scale: float | None = None
    alpha: float = 1.0
    join: str = ""
    adapter: Mixer | None = None
    share: str | None = None
    kv_from: str | None = None
    said_norm: Norm | None = None

    @property
    def mixer(self) -> Mixer:
        """The mixer; the first of several."""
        return self.branches[0].mixer

    @property
    def mixer_name(self) -> str:
        """The registered name of the mixer; those of several joined by +."""
        return "+".join(branch.mixer.name for branch in self.branches)

    @property
    def memories(self) -> tuple[str, ...]:
        """The streams that its mixers read besides their own, each once."""
        return tuple(dict.fromkeys(b.memory for b in self.branches if b.memory is not None))

    def components(self) -> Iterator[tuple[Component, int]]:
        """Every component with the width of its input, the adapter last."""
        for branch in self.branches:
            if branch.norm is not None:
                yield branch.norm, self.width
            yield branch.mixer, self.width
            if branch.out_norm is not None:
                yield branch.out_norm, branch.mixer.out_width(self.width)
        if self.norm is not None:
            yield self.norm, self.width
        if self.out_norm is not None:
            yield self.out_norm, self.out_width
        if self.adapter is not None:
            yield self.adapter, self.width

    def parts(self) -> Iterator[tuple[str, int]]:
        """The attributes that hold parameters, the adapter aside, and how many each holds."""
        for branch in self.branches:
            out = branch.mixer.out_width(self.width)
            before = "" if branch.name == "mixer" else f"{branch.name}_"
            yield branch.name, branch.mixer.cost().parameters(self.width)
            if branch.norm is not None:
                yield f"{before}norm", branch.norm.cost().parameters(self.width)
            if branch.out_norm is not None:
                yield f"{before}out_norm", branch.out_norm.cost().parameters(out)
            if branch.layer_scale is not None:
                yield f"{before}layer_scale", out
        if self.norm is not None:
            yield "norm", self.norm.cost().parameters(self.width)
        if self.out_norm is not None:
            yield "out_norm", self.out_norm.cost().parameters(self.out_width)
        if self.layer_scale is not None:
            yield "layer_scale", self.out_width
        if self.join == "concat":
            yield "join", self.joined_width * self.out_width

    @property
    def joined_width(self) -> int:
        """Channels of the outputs side by side, which the linear map of a `concat` reads; 0 without one."""
        return sum(b.mixer.out_width(self.width) for b in self.branches) if self.join == "concat" else 0

    @cached_property
    def parameters(self) -> int:
        """Parameters of one such block, all that stands around its mixers included."""
        return sum(count for _, count in self.parts()) + self.adapter_parameters

    @property
    def adapter_parameters(self) -> int:
        """Parameters that each use of a shared block has for itself."""
        return self.adapter.cost().parameters(self.width) if self.adapter is not None else 0


@dataclass(frozen=True, eq=False, slots=True)
class Layer:
    """One block in its place: `layers.3`, `decoder.layers.3`.

    base       what its entry alone stands for here: `type` where no override changes it
    kv_source  path of the block whose keys and values it uses
    shares     path of the first block of its group, where that is another one: its parameters are those
    """

    path: str
    type: BlockType
    reason: str
    symbol: str
    base: BlockType
    kv_source: str | None = None
    shares: str | None = None

    @property
    def parameters(self) -> int:
        """Parameters that are its own: those of a shared block count at its first use."""
        return self.type.parameters if self.shares is None else self.type.adapter_parameters
