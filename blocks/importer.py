"""Importers: how checkpoints of another library become recipes and weights, and the other way round.

An importer is one class a family. It says three things, each once:

    recipe(config)    the recipe that a config.json stands for, as plain mappings and lists
    weights(config)   rules that pair the paths of our parameters with the names of theirs
    config(plan)      the config.json that a plan would have, a guess that is checked by importing it again

The rules serve both directions: what a rule shows of one of our tensors are views of it, so that reading a
checkpoint fills the views, and writing one saves them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from blocks.foreign_config import Config
    from blocks.planned import Plan

Tree = dict[str, Any]
"""A recipe, or a part of one, as plain mappings, lists and scalars."""

Parts = Callable[[Any], Sequence[Any]]
"""From one of our tensors to views of it, one a name of theirs. A view may have more axes than theirs."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Parameters of ours and what they are called there.

    `ours` is the path of a parameter, or of a module: then it stands for each of its parameters, whose last
    name (`weight`, `bias`) is the same on both sides. `theirs` is a name, or several where our tensor holds
    several of theirs. A name with `{e}` stands for as many as there are views: `experts.{e}.w1`. The first `fold`
    axes of a view are one axis of theirs.
    """

    ours: str
    theirs: str | tuple[str, ...]
    parts: Parts = lambda tensor: (tensor,)
    fold: int = 1

    def names(self, leaf: str, count: int) -> tuple[str, ...]:
        """Their names of `count` views, in order; `leaf` is the last name, "" for a parameter itself."""
        patterns = (self.theirs,) if isinstance(self.theirs, str) else self.theirs
        end = f".{leaf}" if leaf else ""
        if not any("{e}" in pattern for pattern in patterns):
            return tuple(pattern + end for pattern in patterns)
        turns = range(count // len(patterns))
        return tuple(pattern.replace("{e}", str(e)) + end for e in turns for pattern in patterns)


def rows(*sizes: int) -> Parts:
    """Rows of these numbers, one after another: queries, keys and values of one projection."""
    return lambda tensor: tensor.split(sizes)


def halves(tensor: Any) -> Sequence[Any]:
    """The first half of the rows, and the second: gate and value of a gated network."""
    views: Sequence[Any] = tensor.chunk(2)
    return views


def thirds(tensor: Any) -> Sequence[Any]:
    """Three equal parts of the rows: queries, keys and values."""
    views: Sequence[Any] = tensor.chunk(3)
    return views


def transposed(tensor: Any) -> Sequence[Any]:
    """A matrix with rows and columns exchanged, as TensorFlow keeps it; a vector as it is."""
    return (tensor.mT if tensor.ndim == 2 else tensor,)


def by_head(heads: int, kinds: int = 3) -> Parts:
    """Rows kept as q, k, v of the first head, then of the second …, where ours are all q, all k, all v: fold=3."""
    return lambda tensor: (tensor.unflatten(0, (kinds, heads, -1)).transpose(0, 1),)


def tap(tensor: Any) -> Sequence[Any]:
    """A depthwise convolution [C, K] that is kept as [C, 1, K]; a vector as it is."""
    return (tensor[:, None] if tensor.ndim == 2 else tensor,)


def stacked(tensor: Any) -> Sequence[Any]:
    """Each of the tensors along the first axis: one an expert."""
    views: Sequence[Any] = tensor.unbind()
    return views


class Importer:
    """One family of checkpoints: `model_type` of its config.json, and what its tensors are called.

    architectures  what a checkpoint of the family can be: class name -> its head; "" or "pooled" is the base alone
    defaults       what a key of config.json means that is not there
    prefix         what the names of the base's tensors begin with, in files that hold a head too
    outside        beginnings of names that never have the prefix: those of heads
    renamed        old parts of names -> today's
    unused         ends of names whose tensors hold nothing that was learned, such as masks
    spare          beginnings of names that belong to heads which a checkpoint may have besides the one it is read for
    computed       names of tensors that files may hold and ours works out -> path of the position that does
    harmless       keys of config.json that change no result, besides those that never do
    """

    model_type: ClassVar[str]
    architectures: ClassVar[Mapping[str, str]]
    defaults: ClassVar[Mapping[str, Any]] = {}
    prefix: ClassVar[str] = ""
    outside: ClassVar[tuple[str, ...]] = ("lm_head.",)
    renamed: ClassVar[Mapping[str, str]] = {}
    unused: ClassVar[tuple[str, ...]] = ()
    spare: ClassVar[tuple[str, ...]] = ()
    computed: ClassVar[Mapping[str, str]] = {}
    harmless: ClassVar[Collection[str]] = ()

    def recipe(self, config: Config) -> Tree | str:
        """The recipe's `d_model`, `vocab_size`, `blocks` and `model`, or its text. Every key that matters is read."""
        raise NotImplementedError(f"{type(self).__name__} must define recipe")

    def weights(self, config: Config) -> Iterable[Rule]:
        """A rule for each parameter, or for each module."""
        raise NotImplementedError(f"{type(self).__name__} must define weights")

    def config(self, plan: Plan) -> Mapping[str, Any] | None:
        """The config.json of a plan, or None where it is none of this family. It need not be certain.

        `recipe` of it is compared with the plan. May raise LookupError where the plan lacks something.
        """
        return None

    def today(self, name: str) -> str:
        """The name of a tensor as the rules have it: with today's words, and with the prefix."""
        for old, new in self.renamed.items():
            name = name.replace(old, new)
        return name if name.startswith((self.prefix, *self.outside)) else self.prefix + name

    def written(self, name: str, config: Config) -> str:
        """The name of a tensor in a file: that of the rules, without the prefix where the base stands alone."""
        return name if self.head(config) not in ("", "pooled") else name.removeprefix(self.prefix)

    def head(self, config: Config) -> str:
        """Which head the checkpoint has: the first of its `architectures` that the family has."""
        named = config.get("architectures", None) or list(self.architectures)[:1]
        if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
            named = [str(named)]
        known = [self.architectures[name] for name in named if name in self.architectures]
        if not known:
            message = f"{', '.join(map(str, named))[:80]} is not read"
            config.refuse("architectures", message, f"of {self.model_type}: {', '.join(self.architectures)}")
        return known[0] if known else ""
