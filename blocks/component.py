"""What every block, norm, position, embedding and head declares: options, cost, capabilities, construction.

A declaration is a frozen Pydantic model and knows no torch. Its `module` names the `nn.Module` that runs it;
that module is imported on build, never before. One class a kind: `Mixer` (and `TokenWise`), `Norm`, `Position`,
`Embedding`, `Head`, `Score`; in files of their own `Tokenizer`, and what trains: `Objective`, `Optimizer`,
`Schedule`, `Auxiliary`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr

from blocks.cost import Cost, Saved
from blocks.input import TOKENS, Input
from blocks.inside import Inside, Shape


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes that a component is bound to: the width of its input, and sizes of the model.

    `d_model` is the width of what the component reads: the stream's for a block, head_dim for a rotary position.
    `length` is the number of tokens, for a stage of a stream whose input fixes it.
    """

    d_model: int
    vocab_size: int | None = None
    depth: int | None = None
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something wrong with the options of one component.

    `field` says where (`position.rotary_dim` for a slot's), `related` names further options, or sizes of the recipe.
    """

    field: str
    message: str
    label: str = ""
    help: str | None = None
    code: str = "B0302"
    related: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A constructor call: `target` is "package.module:Class"; arguments are plain values or calls."""

    target: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


class Component(BaseModel):
    """The base of everything a recipe can name. Fields are the options a recipe may set."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    kind: ClassVar[str] = ""
    module: ClassVar[str] = ""
    """"package.module:Class" of the nn.Module; "torch.nn:Linear" names one of torch's own."""
    phrases: ClassVar[tuple[str, ...]] = ()
    """How a person writes this component in a sentence, the canonical phrase first."""
    adjectives: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Words before a phrase that set options, besides the values of its choices: {"squared ReLU": {…}}."""
    ops: ClassVar[tuple[str, ...]] = ()
    """Ops whose kernels can be chosen, such as `rms_norm`."""

    _registered: str = PrivateAttr(default="")

    @property
    def name(self) -> str:
        """The name it is registered under; the class name where it was made without a registry."""
        return self._registered or type(self).__name__.lower()

    def named(self, name: str) -> Self:
        """The same component, knowing the name that it was looked up by."""
        copy = self.model_copy()
        copy._registered = name
        return copy

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        """Yield everything that is wrong with the options for a model of these sizes.

        A component answers for those in its slots, whose width may be another one; by default it is the same.
        """
        for name in self.slots():
            yield from self.check_slot(name, sizes)

    def bind(self, sizes: Sizes) -> Self:
        """Fill the defaults that depend on the model's sizes (head_dim, d_ff …). Called once `check` is silent."""
        return self.model_copy(update={name: inner.bind(sizes) for name, inner in self.slots().items()})

    def slots(self) -> dict[str, Component]:
        """The components in this one's slots, by option."""
        return {name: value for name, value in self if isinstance(value, Component)}

    def check_slot(self, name: str, sizes: Sizes) -> Iterator[Complaint]:
        """What is wrong with the component in a slot, told from here."""
        for complaint in self.slots()[name].check(sizes):
            yield replace(complaint, field=f"{name}.{complaint.field}")

    def call(self, width: int) -> Call:
        """The constructor call for an input of `width` channels (d_model; head_dim inside attention)."""
        options = {
            name: value.call(width) if isinstance(value, Component) else value
            for name in type(self).model_fields
            for value in [getattr(self, name)]
        }
        return Call(self.module, (width,), options)

    def out_width(self, width: int) -> int:
        """Channels of the output for an input of `width` channels. Called on bound components."""
        return width

    def longest(self) -> int | None:
        """The most tokens that a sequence may have; None: there is no end. By default what its slots say."""
        limits = [inner.longest() for inner in self.slots().values()]
        return min((limit for limit in limits if limit is not None), default=None)

    def share_group(self) -> str | None:
        """The name of the group whose members are one and the same set of parameters; None: they are its own."""
        return None

    def cost(self) -> Cost:
        """Parameters, FLOPs and state as polynomials in T (tokens), D (width) and S (tokens of the memory)."""
        return Cost()

    def saved(self) -> Saved | None:
        """What it keeps for the backward pass, as polynomials in T, D and S; None: what the operations inside say.

        `blocks_compiler.activations` has the rules for those.
        """
        return None

    def all_ops(self) -> tuple[str, ...]:
        """The ops of this component and of the components in its slots."""
        inner = (op for component in self.slots().values() for op in component.all_ops())
        return tuple(dict.fromkeys((*self.ops, *inner)))


class Mixer(Component):
    """A block's inner function: `forward(x, state=None, mask=None) -> (y, state)`, x and y [B, T, d_model].

    One that reads another stream takes a fourth argument, `memory`: a pair of its values [B, S, memory_width] and
    a mask bool [B, S] or None; once a state is given, memory may be None and is not read. One that borrows keys and
    values takes the state that their owner has just returned.

    A mask is bool [B, T], true at real tokens. One that is packed takes int64 as well: the number of each token's
    document from 1 on, 0 at padding. Documents touch each other in nothing, not even a gradient; such a call takes
    no state and leaves none that another would take. Who is not packed raises ValueError.
    """

    kind = "mixer"
    symbol: ClassVar[str] = ""
    """The letter of this mixer in a pattern string, as Megatron writes them: M, *, -."""

    _memory: int | None = PrivateAttr(default=None)
    _borrows: bool = PrivateAttr(default=False)

    @property
    def memory_width(self) -> int | None:
        """Channels of the stream that this mixer reads as memory; None where it reads its own stream alone."""
        return self._memory

    @property
    def borrows(self) -> bool:
        """Whether keys and values are those of an earlier block (`kv_from`)."""
        return self._borrows

    def reading(self, width: int) -> Self:
        """The same mixer, reading a memory of `width` channels. Needs the capability "cross"."""
        copy = self.model_copy()
        copy._memory = width
        return copy

    def borrowing(self) -> Self:
        """The same mixer, with keys and values of an earlier block. Needs the capability "borrows"."""
        copy = self.model_copy()
        copy._borrows = True
        return copy

    def lends(self) -> tuple[int | str, ...] | None:
        """What keys and values must agree in to be borrowed, such as (heads, head_dim); None: they cannot be."""
        return None

    def needs(self) -> tuple[int | str, ...] | None:
        """What the owner of borrowed keys and values has to lend: what this mixer would lend with its own."""
        owning = self.model_copy()
        owning._borrows = False
        return owning.lends()

    def capabilities(self) -> frozenset[str]:
        """What it can do: causal, padded, packed, cached, cross, borrows."""
        return frozenset({"causal", "padded", "cached"})

    def sees(self, query: int, key: int) -> bool:
        """Whether the output at token `query` depends on the input at token `key`, both counted from 0.

        By default on all tokens, or where the mixer is causal on all that are not later. A window, or a mixer
        that looks at each token alone, says less: conformance holds it to both, what is seen and what is not.
        """
        return key <= query or "causal" not in self.capabilities()

    def equivariant(self) -> bool:
        """Whether tokens in another order give the same outputs in that order. Called once bound."""
        return False

    def waivers(self) -> Mapping[str, str]:
        """Cases of the conformance suite that cannot hold, each with the reason, which is shown. Called once bound."""
        return {}

    def inside(self) -> Inside | None:
        """The operations inside, for a diagram one level deeper; None: a box without a lid."""
        return None

    def parts(self) -> int:
        """Into how many equal parts tensor parallelism cuts it, or any divisor; 1: it does not. Called once bound."""
        return 1


class TokenWise(Mixer):
    """A mixer that looks at each token alone, and gives the same whatever stands around it.

    Its state, if it has one, only keeps count: no output depends on it.
    """

    def capabilities(self) -> frozenset[str]:
        return frozenset({"causal", "padded", "packed", "cached"})

    def sees(self, query: int, key: int) -> bool:
        return query == key

    def equivariant(self) -> bool:
        return True


class Norm(Component):
    """A normalisation over the last axis: `forward(x) -> y`."""

    kind = "norm"


class Position(Component):
    """How order enters. `where` says at what: "stream", "heads" or "scores".

    stream  x -> x + p, for the embeddings or for what queries and keys are made of; width d_model
    heads   rotates queries and keys; width head_dim
    scores  a bias [.., H, T, S] from the positions of queries and keys; width is the number of heads
    """

    kind = "position"
    where: ClassVar[str] = "stream"
    packed: ClassVar[bool] = False
    """Whether its module starts anew in each document where a mask numbers them; asked of stages of a stream."""


class Embedding(Component):
    """From what the model reads to x [B, T, d_model]; by default that is tokens int64 [B, T].

    Its module is called with the stream's inputs: the first one always, the others with None where a caller says
    nothing.
    """

    kind = "embedding"

    def inputs(self) -> tuple[Input, ...]:
        """What it reads, each an argument of the model: the first in front, the others by keyword. Called once bound.

        A name may be neither state nor mask, nor that of a stage.
        """
        return (TOKENS,)

    def length(self) -> int | None:
        """The number of vectors, where its input fixes it; None: T. Called once bound."""
        return None

    def table(self, width: int) -> tuple[int, int] | None:
        """Rows and columns of `weight`, which a head can be tied to, in a stream of `width` channels; None: no table.

        Called once bound.
        """
        return None


class Head(Component):
    """From x [B, T, d_model] to the model's output; `requires` lists what it asks of every mixer."""

    kind = "head"
    requires: ClassVar[frozenset[str]] = frozenset()
    takes_mask: ClassVar[bool] = False
    """Whether its module is called as `head(x, mask)`, mask bool [B, T] or None; it then reads a row as a whole."""
    gives: ClassVar[str] = "logits"
    """What its output is called."""
    linear: ClassVar[bool] = False
    """Whether its logits are those of a table, `features(x) @ weight.T + bias`, so that a loss can do without them.

    Its module then has a `weight` [V, E], a `bias` [V] or None, may have a method `features(x) -> [B, T, E]`, x itself
    where there is none, and a `logit_cap`: a number that logits are bounded to, as cap * tanh(logits / cap).
    """

    def shape(self) -> Shape:
        """Axes of the output: ("B", "T", 32000), or ("B", 2) for one vector a sequence. Called once bound."""
        return ("B", "T", "d_model")

    def table(self, width: int) -> tuple[int, int] | None:
        """Rows and columns of `weight` for an input of `width` channels; None: no table. Called once bound.

        Where it is tied, the embedding's table has the same.
        """
        return None

    def ties(self) -> Mapping[str, str]:
        """Parameters of this head that are parameters of the embedding: {"weight": "weight"}."""
        return {}

    def needs_later(self) -> str | None:
        """What helps where every mixer is causal, if the head reads tokens that have to see later ones; else None.

        A mixer that reads another stream is enough. Called once bound.
        """
        return None


class Score(Component):
    """How well queries fit the keys of a memory. Its module has two methods, so that keys are projected once:

    keys(memory [B, S, K]) -> projected [B, S, P], the memory itself where nothing is projected
    forward(queries [B, T, Q], projected) -> scores [B, T, S]

    In `cost()` D is the width of the queries, T their number, S that of the keys; `state` is what projected keys
    hold beside the memory, and what does not grow with T in `flops` is their projection.
    """

    kind = "score"

    _keys: int | None = PrivateAttr(default=None)

    @property
    def key_width(self) -> int | None:
        """Channels of the memory; None: as many as queries have."""
        return self._keys

    def against(self, width: int) -> Self:
        """The same score, of a memory of `width` channels. Its owner says so before `check` and `bind`."""
        copy = self.model_copy()
        copy._keys = width
        return copy

    def call(self, width: int) -> Call:
        made = super().call(width)
        return replace(made, args=(width, self._keys or width))
