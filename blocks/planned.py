"""What a plan is: streams of stages, each a component or the blocks of a stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from blocks.blocktype import BlockType, Layer
from blocks.component import Component, Embedding, Sizes
from blocks.input import TOKENS, Input
from blocks.recipe import Recipe
from blocks.shares import Share
from blocks.tokenizer import Tokenizer
from blocks.training import PlannedTraining
from blocks.validation import Path

if TYPE_CHECKING:
    from blocks.registry import Registry


@dataclass(frozen=True, eq=False, slots=True)
class PlannedStage:
    """One step of a stream: a component, or the blocks of a stack.

    path    of the module: embed, decoder.layers, heads.answer
    name    of the output, for one of several heads
    width   channels of its input; `out_width` those of its output
    """

    path: str
    role: str
    component: Component | None = None
    layers: tuple[Layer, ...] = ()
    origin: Path = ()
    vocabulary: Mapping[str, BlockType] = field(default_factory=dict)
    stream: str = ""
    name: str = ""
    width: int = 0
    out_width: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class PlannedStream:
    """A pipeline from its inputs to its last stage. `name` is "" where it is the only one."""

    name: str
    stages: tuple[PlannedStage, ...]

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What it is called with: what its first stage reads, if that is an embedding; otherwise tokens."""
        first = self.stages[0].component if self.stages else None
        return first.inputs() if isinstance(first, Embedding) else (TOKENS,)

    @property
    def length(self) -> int | None:
        """The number of its vectors, where its input fixes it."""
        first = self.stages[0].component if self.stages else None
        return first.length() if isinstance(first, Embedding) else None

    @property
    def memories(self) -> tuple[str, ...]:
        """The streams that its blocks read."""
        layers = chain.from_iterable(stage.layers for stage in self.stages)
        return tuple(dict.fromkeys(name for layer in layers for name in layer.type.memories))

    @property
    def has_head(self) -> bool:
        """Whether it ends in a head, or in several."""
        return any(stage.role == "head" for stage in self.stages)


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything the compiler needs, and nothing left to look up."""

    name: str
    about: str
    sizes: Sizes
    streams: tuple[PlannedStream, ...]
    tokenizer: Tokenizer | None
    recipe: Recipe = field(repr=False)
    canonical: Recipe = field(repr=False)
    aliases: Mapping[Path, tuple[int, int]] = field(default_factory=dict, repr=False)
    """Paths of `canonical` that a sentence stands for -> their characters in it."""
    shares: tuple[Share, ...] = ()
    vocabulary: Mapping[str, BlockType] = field(default_factory=dict)
    """Every entry of `blocks:`, as it is used first."""
    training: PlannedTraining | None = None
    """The recipe's `train:` section; None where it has none."""
    registry: Registry | None = field(default=None, repr=False)
    """Where its names were looked up."""

    @cached_property
    def train(self) -> PlannedTraining:
        """How it is trained: what the recipe says, and the defaults for the rest, or for all of it.

        Raises RecipeError where the recipe has no such section and the defaults do not fit this model.
        """
        from blocks.plan_training import usual_training

        return self.training if self.training is not None else usual_training(self)

    @property
    def stages(self) -> tuple[PlannedStage, ...]:
        """The stages of all streams, in order."""
        return tuple(chain.from_iterable(stream.stages for stream in self.streams))

    @property
    def layers(self) -> list[Layer]:
        """The blocks of all stacks, in order."""
        return list(chain.from_iterable(stage.layers for stage in self.stages))

    @property
    def limits(self) -> list[tuple[int, Component]]:
        """Every component that has an end, and the most tokens that a sequence may have for it."""
        parts = [stage.component for stage in self.stages if stage.component is not None]
        for kind in dict.fromkeys(layer.type for layer in self.layers):
            parts += [component for component, _ in kind.components()]
        found = [(part.longest(), part) for part in parts]
        return [(longest, part) for longest, part in found if longest is not None]

    @property
    def head_paths(self) -> dict[str, PlannedStage]:
        """Path of each head in the last stream -> its stage: head, heads.words."""
        last = self.streams[-1]
        before = f"{last.name}." if last.name else ""
        return {stage.path.removeprefix(before): stage for stage in last.stages if stage.role == "head"}

    @property
    def pattern(self) -> str:
        """One letter a block; a space between streams."""
        return " ".join(
            "".join(layer.symbol for stage in stream.stages for layer in stage.layers)
            for stream in self.streams
        ).strip()

    @property
    def parameters(self) -> int:
        """Parameters of the model; shared ones count once."""
        kinds = Counter(layer.type for layer in self.layers)
        total = sum(kind.parameters * count for kind, count in kinds.items())
        total += sum(
            stage.component.cost().parameters(stage.width)
            for stage in self.stages
            if stage.component is not None
        )
        return total - sum(share.parameters for share in self.shares)

    def _repr_html_(self) -> str:
        """The kinds of block and the pattern, for notebooks."""
        from blocks.api import page

        return page(self)
