"""The plan: a recipe with every name looked up, every size worked out, every block in its place.

It is what the compiler lowers to a graph. Blocks that are alike share one `BlockType`, so a plan of ten
thousand blocks holds a handful of components.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

from blocks.blocktype import BlockType, Layer
from blocks.component import Component, Embedding, Position
from blocks.diagnostics import RecipeError
from blocks.names import is_reserved, is_reserved_key
from blocks.plan_training import TrainingPlanner
from blocks.planned import Plan, PlannedStage, PlannedStream
from blocks.recipe import Recipe, Stack, Stage
from blocks.registry import Registry
from blocks.resolve import Resolver
from blocks.shares import Share, group_shares, layer_shares, share_layers
from blocks.stacks import StackPlanner
from blocks.tokenizer import Tokenizer
from blocks.validation import LOOKED_UP, Path
from blocks.vocabulary import Vocabulary

__all__ = ["MAX_PARAMS", "BlockType", "Layer", "Plan", "PlannedStage", "PlannedStream", "Share", "make_plan"]

MAX_PARAMS = 2 * 10**12
STAGE_KINDS = {"embed": "embedding", "position": "position", "norm": "norm", "head": "head", "heads": "head"}


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
        tokenizer = resolver.tokenizer()
        if not resolver.resolve_sizes(tokenizer.vocab_size if tokenizer else None):
            resolver.checked_tokenizer(tokenizer)
            self._look_up()
            return None
        if written.extends is not None and written.document is None:
            help = "blocks.load reads recipes that extend others"
            resolver.report(
                "B0114",
                "a recipe made in Python has no place to look for what it extends",
                ("extends",),
                help=help,
            )
        self._check_plugins()
        before = resolver.reports
        training = self._training()
        plan = self._model(tokenizer, reported=resolver.reports - before)
        return (
            replace(plan, training=training.fit(plan)) if plan is not None and training is not None else plan
        )

    def _training(self) -> TrainingPlanner | None:
        """The section that says how to train, read as far as it needs no model; None where there is none."""
        if self.written.train is None:
            return None
        planner = TrainingPlanner(self.written.train, self.resolver)
        planner.read()
        return planner

    def _model(self, tokenizer: Tokenizer | None, reported: int) -> Plan | None:
        """The plan of the model; None where more is wrong than what was `reported` of training."""
        resolver = self.resolver
        recipe = self._expanded()
        tokenizer = resolver.checked_tokenizer(tokenizer)
        self._check_vocabulary(tokenizer)
        if recipe is None:
            return None
        streams = self._streams(recipe)
        vocabulary = self._vocabulary(recipe, streams)
        if resolver.reports > reported:
            return None
        self._check_read(streams)
        self._check_depth(streams)
        shares = [*layer_shares([layer for stage in _stages(streams) for layer in stage.layers])]
        shares += group_shares(_stages(streams), resolver)
        plan = Plan(
            recipe.recipe, recipe.about, resolver.sizes, tuple(streams), tokenizer, self.written, recipe,
            resolver.aliases, tuple(shares), vocabulary, registry=resolver.registry,
        )  # fmt: skip
        self._check_budget(plan)
        return plan

    def _look_up(self) -> None:
        """Report the names that nothing has, where sizes cannot be worked out and have a stand-in."""
        resolver = self.resolver
        found = resolver.start_again()
        resolver.stand_in()
        self._training()
        recipe = self._expanded()
        if recipe is not None:
            self._vocabulary(recipe, self._streams(recipe))
        guessed = resolver.start_again()
        resolver.problems = found
        found.extend(d for d in guessed.diagnostics if d.code in LOOKED_UP)

    def _expanded(self) -> Recipe | None:
        """The recipe itself, or what its sentence stands for; None after problems were reported."""
        if not isinstance(self.written.model, str):
            return self.written
        from blocks.sentence import expand

        return expand(self.written, self.resolver)

    def _check_vocabulary(self, tokenizer: Tokenizer | None) -> None:
        """The recipe says how many ids there are where the tokenizer does not, and has room for those that it has."""
        resolver, size = self.resolver, self.resolver.sizes.vocab_size
        if tokenizer is None:
            if self.written.tokenizer is not None and size is None:  # it is wrong, which was said
                resolver.assume_vocabulary()
            return
        ids = tokenizer.vocab_size
        if size is None:
            resolver.report(
                "B0318",
                f"{tokenizer.name} has as many ids as its training gives it, and the recipe does not say how many",
                ("tokenizer",),
                label="not trained yet",
                help="add vocab_size: 4096, or another number that is large enough for it",
            )
            resolver.assume_vocabulary()
        elif ids is not None and size < ids:
            resolver.report(
                "B0310",
                f"vocab_size = {size} is less than the {ids} ids of {tokenizer.name}",
                ("vocab_size",),
                help=f"at least {ids}",
                related=((("tokenizer",), "the tokenizer is named here"),),
            )

    def _check_plugins(self) -> None:
        """Every distribution that a lock file names is installed; another version is no error."""
        installed = {plugin.distribution for plugin in self.resolver.registry.plugins}
        left_out = {plugin.distribution for plugin in self.resolver.registry.left_out}
        for name, version in self.written.plugins.items():
            if name not in installed:
                out = name in left_out
                why = f"{self.resolver.registry.left_by} leaves out" if out else "is not installed"
                self.resolver.report(
                    "B0604",
                    f"this recipe was locked with {name} {version}, which {why}",
                    ("plugins", name),
                    key=True,
                    help="load it as well" if out else f"pip install {name}=={version}",
                )

    def _check_budget(self, plan: Plan) -> None:
        total = plan.parameters
        if total > self.max_params:
            self.resolver.report(
                "B0311",
                f"{total:,} parameters are more than the {self.max_params:,} allowed",
                ("d_model",),
                help="raise the budget with --max-params, such as --max-params 3T",
            )

    def _vocabulary(self, recipe: Recipe, streams: list[PlannedStream]) -> dict[str, BlockType]:
        """Every entry as it is used first; the branches of others, and what is used nowhere, each for itself."""
        used: dict[str, BlockType] = {}
        for stage in _stages(streams):
            for name, block in stage.vocabulary.items():
                used.setdefault(name, block)
        widths = {stream.name: stream.stages[-1].out_width for stream in streams if stream.stages}
        stack = Stack(norm="none", residual="none")
        alone = Vocabulary(self.resolver, recipe, stack, ("model",), widths, lambda: 1.0, alone=True)
        inside = {name: used[whole].width for whole in used for name in recipe.blocks[whole].parallel or ()}
        for name in recipe.blocks:
            if name not in used:
                made = alone.block(name, inside.get(name, self.resolver.sizes.d_model))
                used |= {name: made} if made is not None else {}
        return {name: used[name] for name in recipe.blocks if name in used}

    def _check_depth(self, streams: list[PlannedStream]) -> None:
        """A depth of the recipe is that of its stacks, where nothing refers to it."""
        stacks = [
            item.stack for items in self.written.streams.values() for item in items if item.stack is not None
        ]
        depth = self.resolver.sizes.depth
        total = sum(len(stage.layers) for stage in _stages(streams))
        taken = any(stack.depth is None and (stack.interleave or stack.cycle) for stack in stacks)
        if depth is None or depth == total or not stacks or taken:
            return
        said = self.written.model_dump(exclude={"recipe", "about", "depth"}, exclude_none=True)
        if not re.search(r"\bdepth\b", " ".join(_texts(said))):
            self.resolver.report(
                "B0413",
                f"depth says {depth} blocks, the stacks have {total}",
                ("depth",),
                help="leave it out: each stack says its own depth, and no expression uses this one",
            )

    def _check_read(self, streams: list[PlannedStream]) -> None:
        """Every stream but the last is read by another one, and has no head of its own."""
        read = {name for stream in streams for name in stream.memories}
        for stream in streams[:-1]:
            if stream.name not in read:
                self.resolver.report(
                    "B0708",
                    f"no block reads the stream {stream.name!r}, and the output is that of {streams[-1].name!r}",
                    ("model", stream.name),
                    key=True,
                    help=f"memory: {stream.name} in a block of a later stream",
                )
            head = next((stage for stage in stream.stages if stage.role == "head"), None)
            if head is not None:
                self.resolver.report(
                    "B0709",
                    f"the stream {stream.name!r} is read as memory, and its head gives something else than its states",
                    head.origin,
                    help=f"move the head to {streams[-1].name!r}, whose output is the model's",
                )

    # Streams and stages

    def _streams(self, recipe: Recipe) -> list[PlannedStream]:
        self.owners: dict[str, Layer] = {}
        found: list[PlannedStream] = []
        widths: dict[str, int] = {}
        for name, items in recipe.streams.items():
            if name and is_reserved(name):
                self._reserved("stream", name, ("model", name))
            here: Path = ("model", name) if name else ("model",)
            self.length: int | None = None
            width = self.resolver.sizes.d_model
            taken = Paths(name, {item.stack.name for item in items if item.stack is not None})
            stages: list[PlannedStage] = []
            for index, item in enumerate(items):
                for stage in self._stage(recipe, item, name, (*here, index), width, taken, widths):
                    stages.append(replace(stage, stream=name))
                    width = stage.out_width
                    if isinstance(stage.component, Embedding):
                        self.length = stage.component.length()
            found.append(PlannedStream(name, tuple(stages)))
            widths[name] = width
        return found

    def _readers(self, recipe: Recipe, stream: str) -> int:
        """Blocks of the longest stack that reads a stream; what is wrong with it is reported when it is planned."""
        names = list(recipe.streams)
        found = self.resolver.start_again()
        lengths = [
            StackPlanner(
                self.resolver, recipe, item.stack, ("model", later, index, "stack"), item.stack.name, {}
            ).reading(stream)
            for later in names[names.index(stream) + 1 :]
            for index, item in enumerate(recipe.streams[later])
            if item.stack is not None
        ]
        self.resolver.problems = found
        return max(lengths, default=0)

    def _reserved(self, what: str, name: str, path: Path) -> None:
        self.resolver.report(
            "B0206",
            f"a {what} cannot be called {name!r}: Python or nn.Module needs that name",
            path,
            key=what != "stack",
            help=f"name: {name}_layers" if what == "stack" else f"{name}_{what}:",
        )

    def _stage(
        self,
        recipe: Recipe,
        item: Stage,
        stream: str,
        path: Path,
        width: int,
        taken: Paths,
        widths: Mapping[str, int],
    ) -> Iterator[PlannedStage]:
        key = item.key
        here = (*path, key)
        value = getattr(item, key)
        if isinstance(value, Stack):
            if is_reserved(value.name):
                self._reserved("stack", value.name, (*here, "name"))
            name = taken.free(value.name)
            planner = StackPlanner(
                self.resolver, recipe, value, here, name, widths, lambda: self._readers(recipe, stream)
            )
            layers = planner.layers(width)
            if layers is None:
                share_layers(planner.made, self.owners, self.resolver)
                yield PlannedStage(
                    name, "stack", origin=here, vocabulary=planner.types, width=width, out_width=width
                )
                return
            layers = share_layers(layers, self.owners, self.resolver)
            out = layers[-1].type.out_width if layers else width
            yield PlannedStage(name, "stack", None, layers, here, planner.types, width=width, out_width=out)
        elif key == "heads":
            names = taken.free("heads")
            for name, slot in value.items():
                if is_reserved_key(name):
                    self._reserved("head", name, (*here, name))
                component = self._slot("head", slot, (*here, name), width)
                if component is not None:
                    at = (*here, name)
                    yield PlannedStage(
                        f"{names}.{name}",
                        "head",
                        component,
                        origin=at,
                        name=name,
                        width=width,
                        out_width=width,
                    )
        else:
            component = self._slot(STAGE_KINDS[key], value, here, width)
            if isinstance(component, Position) and component.where != "stream":
                self.resolver.report(
                    "B0313",
                    f"{component.name} is not added to the stream: it changes "
                    f"{'queries and keys' if component.where == 'heads' else 'the scores'} inside of a mixer",
                    here,
                    help=f"position: {component.name} in a block of attention",
                )
            if component is not None:
                out = component.out_width(width)
                yield PlannedStage(
                    taken.free(key), STAGE_KINDS[key], component, origin=here, width=width, out_width=out
                )

    def _slot(self, kind: str, slot: object, path: Path, width: int) -> Component | None:
        sizes = replace(self.resolver.sizes, d_model=width, length=self.length)
        return self.resolver.slot(kind, slot, path, sizes)


class Paths:
    """Gives stages of one name paths of their own: norm, norm_2; a name that a person wrote stays theirs."""

    def __init__(self, stream: str, written: Collection[str]) -> None:
        self.before = f"{stream}." if stream else ""
        self.written = written
        self.taken: set[str] = set()

    def free(self, name: str) -> str:
        """A path for a stage that would be called so."""
        path, count = name, 1
        while path in self.taken or (count > 1 and path in self.written):
            count += 1
            path = f"{name}_{count}"
        self.taken.add(path)
        return self.before + path


def _texts(value: object) -> Iterator[str]:
    """Every text among the values of mappings and lists."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _texts(inner)


def _stages(streams: Iterable[PlannedStream]) -> list[PlannedStage]:
    return list(chain.from_iterable(stream.stages for stream in streams))
