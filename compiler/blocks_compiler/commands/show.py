"""`blocks show`: the model on one page, block by block."""

from __future__ import annotations

import json
import textwrap
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby

from blocks import Component, Head, Plan, PlannedTraining, Registry
from blocks.blocktype import BlockType, Layer
from blocks.canonical import training_tree
from blocks.command import Command
from blocks.fold import Folded, Repeat, fold
from blocks.plan import PlannedStage
from blocks.say import say
from blocks_compiler import training, units
from blocks_compiler.commands.options import add_json, add_recipe, plan_of
from blocks_compiler.commands.page import Cell, Page, Table, columns
from blocks_compiler.describe import besides, block_options, options, sentence
from blocks_compiler.families import family
from blocks_compiler.sizes import ParameterCounts

FOLD_FROM = 131
"""Stacks of at least so many blocks are shown with repeats written once."""


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_recipe(parser)
    parser.add_argument(
        "--all", action="store_true", help=f"every block, also of stacks above {FOLD_FROM - 1}"
    )
    parser.add_argument("--expanded", action="store_true", help="the recipe with every default spelled out")
    add_json(parser)


def run(args: Namespace) -> int:
    """Run the command; returns the exit code."""
    from blocks_compiler.pipeline import check_plan

    plan = plan_of(args.recipe, args)
    check_plan(plan)
    if args.expanded:
        from blocks.canonical import canonical

        print(canonical(plan), end="")
    elif args.json:
        print(json.dumps(as_json(plan), indent=2))
    else:
        _Show(plan, Page(color=args.color), args.registry, every=args.all).show()
    return 0


def as_json(plan: Plan) -> dict[str, object]:
    """What --json prints; its keys are a contract."""
    sizes = ParameterCounts(plan)
    return {
        "recipe": plan.name,
        "parameters": sizes.total,
        "pattern": plan.pattern,
        "layers": [
            {
                "path": layer.path,
                "block": layer.type.name,
                "mixer": layer.type.mixer_name,
                "parameters": sizes.of(layer),
            }
            for layer in plan.layers
        ],
        "train": training_tree(plan.training) if plan.training is not None else None,
    }


class _Show:
    def __init__(self, plan: Plan, page: Page, registry: Registry, *, every: bool) -> None:
        self.plan, self.page, self.registry, self.every = plan, page, registry, every
        self.sizes = ParameterCounts(plan)
        self.mixers: dict[BlockType, str] = {}
        self.families = {block: family(block.mixer) for block in self.sizes.counts}

    def show(self) -> None:
        plan, page = self.plan, self.page
        page.line(Cell(plan.name, "title"))
        if plan.about:
            page.text(plan.about)
        page.line()
        facts = [
            (f"{self.sizes.total:,}", "parameters"),
            (f"{len(plan.layers):,}", "blocks" if len(plan.layers) != 1 else "block"),
            ("d_model", f"{plan.sizes.d_model:,}"),
        ]
        if plan.sizes.vocab_size:
            facts.append(("vocabulary", f"{plan.sizes.vocab_size:,}"))
        if plan.tokenizer is not None:
            facts.append(("tokenizer", plan.tokenizer.name))
        parts: list[Cell | str] = []
        for first, second in facts:
            bold, dim = (first, second) if first[0].isdigit() else (second, first)
            shown = (Cell(bold, "bold"), " ", Cell(dim, "dim"))
            parts += ["   " if parts else "", *(shown if bold == first else shown[::-1])]
        page.line(*parts)
        self._sentence()
        self._pattern()
        for stage in plan.stages:
            page.line()
            if stage.component is not None:
                self._stage(stage)
            else:
                self._stack(stage)
        if plan.training is not None:
            page.line()
            self._training(plan.training)

    def _training(self, made: PlannedTraining) -> None:
        """What the `train:` section comes to."""
        page = self.page
        page.line(
            Cell(f"{'train':<8}", "bold"),
            f" {made.objective.name}",
            Cell(f"   {training.amount(made)}", "dim"),
        )
        page.line()
        rows: list[tuple[str, str, Cell]] = []
        for key in ("objective", "optimizer", "schedule"):
            component: Component = getattr(made, key)
            said = training.component_options(component)
            if said or key != "objective":
                rows.append((key, component.name, Cell(said, "dim")))
            if key == "schedule":
                rows.append(("", "", Cell(f"lr {training.rates(made)}")))
        rows += [
            ("auxiliary", term.name, Cell(f"times {weight:g}", "dim")) for term, weight in made.auxiliary
        ]
        before = max(columns(key) for key, _, _ in rows) + max(columns(name) for _, name, _ in rows) + 6
        table = Table(("", "", ""), "<<<")
        for key, name, about in rows:
            for number, line in enumerate(page.wrapped(about, before)):
                table.add("" if number else key, Cell("" if number else name, "bold"), line)
        page.table(table)
        for parts in (training.means(made), training.reading(made)):
            page.text("; ".join(parts), indent=2)

    def _sentence(self) -> None:
        """The sentence of the recipe, where it has one."""
        text = say(self.plan, registry=self.registry)
        for number, line in enumerate(textwrap.wrap(text or "", min(self.page.width or 100, 100) - 15)):
            self.page.line(Cell(f"{'' if number else 'in a sentence':<15}", "dim"), line)

    def _pattern(self) -> None:
        """One letter a block in the colour of its family; a space between streams."""
        letters: list[Layer | None] = []
        for stream in self.plan.streams:
            layers = [layer for stage in stream.stages for layer in stage.layers]
            letters += [None, *layers] if letters and layers else layers
        if not letters:
            return
        width = (self.page.width or 100) - 9
        lines = [letters[at : at + width] for at in range(0, min(len(letters), 8 * width), width)]
        for number, line in enumerate(lines):
            parts: list[Cell | str] = []
            for block, run in groupby(line, key=lambda layer: layer.type if layer is not None else None):
                shown = "".join(layer.symbol for layer in run if layer is not None)
                parts.append(" " if block is None else Cell(shown, self.families[block]))
            self.page.line(Cell("pattern  " if number == 0 else " " * 9, "dim"), *parts)
        left_out = sum(layer is not None for layer in letters[8 * width :])
        if left_out:
            self.page.line(Cell(f"… {left_out:,} more", "dim"), indent=9)

    def _stage(self, stage: PlannedStage) -> None:
        component = stage.component
        assert component is not None
        parameters = self.sizes.stage[stage.path]
        shown = sentence(options(component))
        tied = isinstance(component, Head) and component.ties()
        note = "tied to the embedding" if tied else self._share(parameters)
        self.page.line(
            Cell(f"{stage.path:<8}", "bold"), f" {component.name}",
            Cell(f"  {shown}" if shown else "", "dim"), f"   {units.count(parameters)}", Cell(f"  {note}", "dim"),
        )  # fmt: skip

    def _stack(self, stage: PlannedStage) -> None:
        page, count = self.page, len(stage.layers)
        parameters = self.sizes.stage[stage.path]
        page.line(
            Cell(f"{stage.path:<8}", "bold"), f" {units.number(count, 'block')}   {units.count(parameters)}",
            Cell(f"  {self._share(parameters)}", "dim"),
        )  # fmt: skip
        page.line()
        page.table(self._vocabulary(stage))
        page.line()
        page.table(self._blocks(stage))

    # The kinds of block

    def _vocabulary(self, stage: PlannedStage) -> Table:
        table = Table(
            ("", "block", "count", "blocks", "mixer", "around it", "each"), "<<>><<>", ("around it",)
        )
        counts = Counter(layer.type for layer in stage.layers)
        letters = {layer.type: layer.symbol for layer in stage.layers}
        asked = self._asked(stage)
        for block, count in counts.items():
            share = units.percent(count, len(stage.layers))
            said = asked.get(block.name, "")
            table.add(
                Cell(letters[block], self.families[block]),
                Cell(block.name, self.families[block]),
                f"{count:,} ×",
                f"{share} (asked {said})" if said else share,
                block.mixer_name,
                _around(block),
                units.count(self.sizes.block[block]),
            )
            said_of = "; ".join(filter(None, (self._options(block), *besides(block))))
            for line in textwrap.wrap(said_of, (self.page.width or 100) - 5):
                table.add(Cell(f"   {line}", "dim"))
        return table

    def _asked(self, stage: PlannedStage) -> dict[str, str]:
        """Block -> the share that the recipe asked for, as it was written."""
        model, where = self.plan.canonical.model, stage.origin[1] if len(stage.origin) > 1 else None
        stack = model[where].stack if isinstance(model, list) and isinstance(where, int) else None
        scatter: Mapping[str, object] = (stack.scatter if stack is not None else None) or {}
        return {name: value for name, value in scatter.items() if isinstance(value, str) and name != "before"}

    # Block by block

    def _blocks(self, stage: PlannedStage) -> Table:
        table = Table(
            ("#", "", "block", "mixer", "parameters", "share", "why it stands here"),
            "><<<>><",
            ("mixer", "why it stands here"),
        )
        layers = stage.layers
        if self.every or len(layers) < FOLD_FROM:
            for index, layer in enumerate(layers):
                table.add(str(index), *self._block(layer))
        else:
            self._folded(table, layers, fold([layer.type for layer in layers]), 0, 0)
        return table

    def _block(self, layer: Layer) -> Iterator[Cell | str]:
        block, style = layer.type, self.families[layer.type]
        parameters = self.sizes.of(layer)
        yield Cell(layer.symbol, style)
        yield Cell(block.name, style)
        yield self._mixer(block)
        yield units.count(parameters)
        yield Cell(self._share(parameters), "dim")
        yield Cell(layer.reason, "dim")

    def _folded(
        self, table: Table, layers: tuple[Layer, ...], items: Folded[BlockType], at: int, depth: int
    ) -> int:
        """Rows of a folded sequence, repeats once under a heading; returns the index after it."""
        bar = "│ " * depth
        for item in items:
            if isinstance(item, Repeat):
                span = _length(item.items)
                last = at + span * item.times - 1
                title = f"{bar}┌ {item.times:,} × {span} block{'s' * (span > 1)}, {at:,} to {last:,}"
                table.add(Cell(title, "bold"))
                self._folded(table, layers, item.items, at, depth + 1)
                at = last + 1
            else:
                table.add(f"{bar}{at}", *self._block(layers[at]))
                at += 1
        return at

    def _mixer(self, block: BlockType) -> str:
        """`multi_head n_heads 32, n_kv_heads 8`."""
        if block not in self.mixers:
            self.mixers[block] = block.mixer_name
            if not block.join:
                said = sentence(block_options(self.plan, block, deep=False))
                self.mixers[block] = f"{block.mixer_name} {said}".strip()
        return self.mixers[block]

    def _options(self, block: BlockType) -> str:
        """The options of the mixer; of each of several, under its name."""
        if not block.join:
            return sentence(block_options(self.plan, block))
        entries = self.plan.canonical.blocks
        said = []
        for branch in block.branches:
            entry = entries.get(branch.entry)
            told = sentence(options(branch.mixer, entry.options if entry is not None else ()))
            said.append(f"{branch.entry}: {told}" if told else branch.entry)
        return "; ".join(said)

    def _share(self, parameters: int) -> str:
        return units.percent(parameters, self.sizes.total)


def _length(items: Folded[BlockType]) -> int:
    return sum(item.times * _length(item.items) if isinstance(item, Repeat) else 1 for item in items)


def _around(block: BlockType) -> str:
    norm = block.norm.name if block.norm is not None else "no norm"
    return f"{norm}, no residual" if block.residual == "none" else f"{block.residual}-{norm}"


COMMAND = Command(
    summary="Print the model block by block: what each block is, how large, and why it stands there.",
    example="blocks show nemotron-h-8b\nblocks show nemotron-h-8b --expanded\nblocks show nemotron-h-8b --json",
    configure=configure,
    run=run,
)
