"""The plan: a recipe with every name looked up, every size worked out, every block in its place.

It is what the compiler lowers to a graph. Blocks that are alike share one `BlockType`, so a plan of ten
thousand blocks holds a handful of components.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

from blocks.component import Component, Sizes, Tokenizer
from blocks.diagnostics import RecipeError
from blocks.names import is_reserved
from blocks.recipe import Recipe, Stack, Stage
from blocks.registry import Registry
from blocks.resolve import Resolver
from blocks.sentence import expand
from blocks.stacks import BlockType, Layer, StackPlanner
from blocks.validation import Path

__all__ = ["MAX_PARAMS", "BlockType", "Layer", "Plan", "PlannedStage", "make_plan"]

MAX_PARAMS = 2 * 10**12
STAGE_KINDS = {"embed": "embedding", "position": "position", "norm": "norm", "head": "head"}


@dataclass(frozen=True, eq=False, slots=True)
class PlannedStage:
    """One step of the pipeline: a component, or the blocks of a stack."""

    path: str
    role: str
    component: Component | None = None
    layers: tuple[Layer, ...] = ()
    origin: Path = ()
    vocabulary: Mapping[str, BlockType] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything the compiler needs, and nothing left to look up."""

    name: str
    about: str
    sizes: Sizes
    stages: tuple[PlannedStage, ...]
    tokenizer: Tokenizer | None
    recipe: Recipe = field(repr=False)
    canonical: Recipe = field(repr=False)
    aliases: Mapping[Path, tuple[int, int]] = field(default_factory=dict, repr=False)
    """Paths of `canonical` that a sentence stands for -> their characters in it."""

    @property
    def layers(self) -> list[Layer]:
        """The blocks of all stacks, in order."""
        return list(chain.from_iterable(stage.layers for stage in self.stages))

    @property
    def pattern(self) -> str:
        """One letter a block."""
        return "".join(layer.symbol for layer in self.layers)

    def _repr_html_(self) -> str:
        """The kinds of block and the pattern, for notebooks."""
        from blocks.api import page

        return page(self)


def make_plan(recipe: Recipe, *, registry: Registry | None = None, max_params: int = MAX_PARAMS) -> Plan:
    """Resolve a recipe. Raises RecipeError with everything that is wrong, in the order of the text."""
    planner = _Planner(recipe, registry or Registry.installed(), max_params)
    plan = planner.run()
    planner.resolver.problems.raise_if_any(RecipeError)
    assert plan is not None, "no plan and no problem"
    return plan


class _Planner:
    def __init__(self, recipe: Recipe, registry: Registry, max_params: int) -> None:
        self.resolver = Resolver(recipe, registry)
        self.written = recipe
        self.max_params = max_params

    def run(self) -> Plan | None:
        resolver, written = self.resolver, self.written
        tokenizer = None
        if written.tokenizer is not None:
            tokenizer = resolver.slot("tokenizer", written.tokenizer, ("tokenizer",))
        assert tokenizer is None or isinstance(tokenizer, Tokenizer)
        if not resolver.resolve_sizes(tokenizer.vocab_size if tokenizer else None):
            return None
        self._check_vocabulary(tokenizer)
        self._check_plugins()
        recipe = expand(written, resolver)
        if recipe is None:
            return None
        assert not isinstance(recipe.model, str)
        stages = [
            stage
            for index, item in enumerate(recipe.model)
            for stage in [self._stage(recipe, item, ("model", index))]
            if stage is not None
        ]
        if resolver.problems:
            return None
        plan = Plan(
            recipe.recipe,
            recipe.about,
            resolver.sizes,
            tuple(_numbered(stages)),
            tokenizer,
            written,
            recipe,
            resolver.aliases,
        )
        self._check_budget(plan)
        return plan

    def _check_vocabulary(self, tokenizer: Tokenizer | None) -> None:
        size = self.resolver.sizes.vocab_size
        if tokenizer is not None and size is not None and size < tokenizer.vocab_size:
            self.resolver.report(
                "B0310",
                f"vocab_size = {size} is less than the {tokenizer.vocab_size} ids of {tokenizer.name}",
                ("vocab_size",),
                help=f"at least {tokenizer.vocab_size}",
                related=((("tokenizer",), "the tokenizer is named here"),),
            )

    def _check_plugins(self) -> None:
        """Every distribution that a lock file names is installed; another version is no error."""
        installed = {plugin.distribution for plugin in self.resolver.registry.plugins}
        for name, version in self.written.plugins.items():
            if name not in installed:
                self.resolver.report(
                    "B0604",
                    f"this recipe was locked with {name} {version}, which is not installed",
                    ("plugins", name),
                    help=f"pip install {name}=={version}",
                )

    def _check_budget(self, plan: Plan) -> None:
        counts: dict[BlockType, int] = {}
        for layer in plan.layers:
            counts[layer.type] = counts.get(layer.type, 0) + 1
        width = plan.sizes.d_model
        total = sum(block.parameters(width) * count for block, count in counts.items())
        total += sum(s.component.cost().parameters(width) for s in plan.stages if s.component is not None)
        if total > self.max_params:
            self.resolver.report(
                "B0311",
                f"{total:,} parameters are more than the {self.max_params:,} allowed",
                ("d_model",),
                help="raise the budget with --max-params, such as --max-params 3T",
            )

    # Stages

    def _stage(self, recipe: Recipe, item: Stage, path: Path) -> PlannedStage | None:
        key = item.key
        here = (*path, key)
        value = getattr(item, key)
        if isinstance(value, Stack):
            if is_reserved(value.name):
                self.resolver.report(
                    "B0206",
                    f"a stack cannot be called {value.name!r}: Python or nn.Module needs that name",
                    (*here, "name"),
                    help=f"name: {value.name}_layers",
                )
            planner = StackPlanner(self.resolver, recipe, value, here)
            layers = planner.layers()
            if layers is None:
                return None
            return PlannedStage(value.name, "stack", layers=layers, origin=here, vocabulary=planner.types)
        component = self.resolver.slot(STAGE_KINDS[key], value, here)
        return None if component is None else PlannedStage(key, STAGE_KINDS[key], component, origin=here)


def _numbered(stages: list[PlannedStage]) -> Iterator[PlannedStage]:
    """Give stages of one name paths of their own: norm, norm_2; a path that a person wrote stays theirs."""
    taken: set[str] = set()
    written = {stage.path for stage in stages}
    for stage in stages:
        path, count = stage.path, 1
        while path in taken or (count > 1 and path in written):
            count += 1
            path = f"{stage.path}_{count}"
        taken.add(path)
        if count == 1:
            yield stage
        else:
            layers = tuple(replace(layer, path=f"{path}.{i}") for i, layer in enumerate(stage.layers))
            yield replace(stage, path=path, layers=layers)
