"""The diagram of a block graph, as DOT text.

On the left the model as a column, repeats folded into boxes `×N`; beside it a card for each distinct kind of block
with what happens inside: norm, mixer, residual. With `inside` a card shows the operations of its mixer. Nodes carry
parameters, edges shapes; colours tell families of mixers (see `blocks_compiler.families`).

The text depends on the graph alone: the same graph gives the same bytes.
"""

from __future__ import annotations

import html
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, Union

from blocks import BlockGraph, Component, Mixer, Node, Op, Plan, Polynomial, Port
from blocks.inside import Shape
from blocks_compiler import units
from blocks_compiler.backends.theme import LIGHT, Theme
from blocks_compiler.describe import block_options, options
from blocks_compiler.families import family
from blocks_compiler.fold import Folded, Repeat, fold

if TYPE_CHECKING:
    import graphviz  # type: ignore[import-untyped]

MAX_DRAWN = 240
"""Blocks drawn at most; of a longer column the middle is left out and counted."""
MAX_CARD_COLUMNS = 5
NODE, SHAPE, BOX = 43, 28, 30
"""Points that a node with the edge above it, a shape on an edge, and a box around repeats take, about."""
COLUMN, CARD, NUMBER = 170, 132, 46
"""Points inside the nodes of the column and of a card, and for the number on their right."""
TABLE = '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">'
FONT = "Helvetica,Arial,sans-serif"


def diagram(graph: BlockGraph, *, inside: bool = False, folded: bool = True, theme: Theme = LIGHT) -> str:
    """DOT text of the diagram."""
    return _Diagram(graph, inside, folded, theme).source()


def graph_svg(graph: BlockGraph, *, inside: bool = False, folded: bool = True, theme: Theme = LIGHT) -> str:
    """The diagram as SVG text. Raises BlocksError B0806 where nothing can lay it out."""
    from blocks_compiler.backends.render import render

    return render(diagram(graph, inside=inside, folded=folded, theme=theme), "svg").decode()


@dataclass(frozen=True, slots=True)
class _Block:
    """The nodes of one block. Blocks of one `key` are drawn alike."""

    nodes: tuple[Node, ...] = field(compare=False, repr=False)
    key: tuple[object, ...]

    @property
    def mixer(self) -> Node:
        return next((node for node in self.nodes if node.role == "mixer"), self.nodes[0])

    @property
    def name(self) -> str:
        layer = self.nodes[0].layer
        return layer.type.name if layer is not None else self.nodes[0].path


_Wire: TypeAlias = tuple[str, str, Union[Shape, None]]  # noqa: UP007 - a runtime alias


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """One thing that a card draws: a node, or an operation of an opened mixer; `reads`: (step, port, shape)."""

    name: str
    node: Node
    op: Op | None
    reads: tuple[_Wire, ...]


def _items(graph: BlockGraph) -> Iterator[Node | _Block]:
    """Stages and blocks in the order of execution."""
    run: list[Node] = []
    for node in graph.walk():
        if run and (node.layer is None or node.layer is not run[-1].layer):
            yield _block(run)
            run = []
        if node.layer is None:
            yield node
        else:
            run.append(node)
    if run:
        yield _block(run)


def _block(nodes: list[Node]) -> _Block:
    layer = nodes[0].layer
    return _Block(
        tuple(nodes), (layer.type if layer else None, *((node.role, id(node.component)) for node in nodes))
    )


class _Diagram:
    def __init__(self, graph: BlockGraph, inside: bool, folded: bool, theme: Theme) -> None:
        import graphviz

        self.graph, self.inside, self.theme, self.folded = graph, inside, theme, folded
        self.plan: Plan = graph.graph["plan"]
        self.width = self.plan.sizes.d_model
        self.items = list(_items(graph))
        blocks = [item for item in self.items if isinstance(item, _Block)]
        self.counts = Counter(blocks)
        self.colors = self._colors()
        self.dot = self.column = graphviz.Digraph("model")
        self.boxes = 0
        self.height = 0  # of the column, about, in points
        self.last, self.shown = "", ""  # the last node of the column, the shape that was written last

    def _colors(self) -> dict[_Block, tuple[str, str]]:
        """Fill and line of each kind of block: the family's hue, a shade of its own within the family."""
        seen: Counter[str] = Counter()
        colors: dict[_Block, tuple[str, str]] = {}
        for block in self.counts:
            mixer = block.mixer.component
            name = family(mixer) if isinstance(mixer, Mixer) else "other"
            colors[block] = self.theme.shade(name, seen[name])
            seen[name] += 1
        return colors

    def source(self) -> str:
        theme, dot = self.theme, self.dot
        dot.attr(
            "graph", rankdir="TB", bgcolor=theme.paper, fontname=FONT, fontcolor=theme.ink, fontsize="11",
            nodesep="0.3", ranksep="0.22", pad="0.3", label=self._title(), labelloc="t", labeljust="l",
            tooltip=_tip(self.plan.name),
        )  # fmt: skip
        dot.attr(
            "node", shape="box", style="filled,rounded", fontname=FONT, fontsize="11", fontcolor=theme.ink,
            color=theme.line, fillcolor=theme.stage, margin="0.14,0.06", height="0.36", penwidth="1",
        )  # fmt: skip
        dot.attr(
            "edge", color=theme.stream, arrowsize="0.6", fontname=FONT, fontsize="9", fontcolor=theme.faint,
            penwidth="1.4",
        )  # fmt: skip
        with dot.subgraph(name="cluster_model") as column:  # a cluster, since clusters are laid out first
            column.attr(label="", peripheries="0", margin="0")
            self.column = column
            self._column(column)
        self._cards()
        return str(dot.source)

    def _title(self) -> str:
        plan = self.plan
        total = sum(node.cost.parameters(self.width) for node in self.graph.walk())
        facts = [
            f"{units.count(total)} parameters",
            f"{sum(self.counts.values()):,} blocks",
            f"d_model {self.width:,}",
        ]
        if plan.sizes.vocab_size:
            facts.append(f"vocabulary {plan.sizes.vocab_size:,}")
        name = f'<FONT POINT-SIZE="17"><B>{_text(plan.name)}</B></FONT>'
        line = f'<FONT POINT-SIZE="10.5" COLOR="{self.theme.faint}">{_text("  ·  ".join(facts))}</FONT>'
        rows = "".join(f'<TR><TD ALIGN="LEFT">{text}</TD></TR>' for text in (name, line))
        return (
            f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="2">{rows}<TR><TD HEIGHT="8"></TD></TR></TABLE>>'
        )

    # The column

    def _column(self, dot: graphviz.Digraph) -> None:
        """Draw the model from tokens to output."""
        run: list[_Block] = []
        for item in (*self.items, None):
            if isinstance(item, _Block):
                run.append(item)
                continue
            if run:
                self._stack(dot, run)
                run = []
            if item is not None:
                self._stage(dot, item)

    def _follow(self, name: str, port: Port | None) -> None:
        """Continue the column with a node that is drawn already; the shape of the edge is written where it changes."""
        if self.last:
            shape = self._shape(port.shape if port is not None else None)
            tip = _tip(shape)
            if port is not None and shape != self.shown and not name.startswith("output"):
                text = f"{name}.shape"
                self.column.node(text, f"<{self._small(shape)}>", **self._plain(), tooltip=tip)
                self.column.edge(self.last, text, arrowhead="none", weight="50", tooltip=tip)
                self.last, self.shown = text, shape
                self.height += SHAPE
            self.column.edge(self.last, name, weight="50", tooltip=tip)
        self.last = name
        self.height += NODE

    def _plain(self) -> dict[str, str]:
        return {"shape": "plain", "style": "", "fontcolor": self.theme.faint, "height": "0.1"}

    def _small(self, text: str) -> str:
        return f'<FONT POINT-SIZE="9" COLOR="{self.theme.faint}">{_text(text)}</FONT>'

    def _stage(self, dot: graphviz.Digraph, node: Node) -> None:
        if node.component is None:
            text = "tokens" if node.role == "input" else "logits" if self._last_is_head(node) else "output"
            port = (*node.outputs, *node.inputs)[0]
            shape = self._shape(port.shape)
            label = f"<<I>{_text(text)}</I>  {self._small(shape)}>"
            dot.node(node.path, label, **self._plain(), tooltip=_tip(str(port)))
            self.shown = shape
            self._follow(node.path, None)
            return
        parameters = node.cost.parameters(self.width)
        ties = [owner for _, owner in node.ties]
        note = (
            f"tied to {ties[0]}" if ties and not parameters else units.count(parameters) if parameters else ""
        )
        title = {"embedding": "embedding", "position": "positions", "head": "head"}.get(node.role, "")
        dot.node(
            node.path, self._label(f"{node.component.name} {title}".strip(), note, wide=COLUMN),
            tooltip=_tip(f"{node.path}: {_words(node.component)}"),
        )  # fmt: skip
        self._follow(node.path, node.inputs[0])

    def _last_is_head(self, node: Node) -> bool:
        return any(
            self.graph.node(source).role == "head" for source, _ in self.graph.sources(node.path).values()
        )

    def _stack(self, dot: graphviz.Digraph, run: list[_Block]) -> None:
        """Draw a run of blocks."""
        folded: Folded[_Block] = fold(run) if self.folded else tuple(run)
        left_out = len(folded) - MAX_DRAWN
        if left_out <= 0:
            self._draw(dot, folded, run, 0)
            return
        half = MAX_DRAWN // 2
        at = self._draw(dot, folded[:half], run, 0)
        hidden = sum(_length(item) for item in folded[half : half + left_out])
        name = f"{run[at].nodes[0].path}.more"
        dot.node(name, f"… {hidden:,} more blocks …", **self._plain())
        self._follow(name, None)
        self._draw(dot, folded[half + left_out :], run, at + hidden)

    def _draw(self, dot: graphviz.Digraph, items: Folded[_Block], run: list[_Block], at: int) -> int:
        """Draw a folded run from index `at` on; returns the index after it."""
        for item in items:
            if isinstance(item, Repeat) and len(item.items) > 1:
                self.boxes += 1
                self.height += BOX
                with dot.subgraph(name=f"cluster_repeat_{self.boxes}") as box:
                    box.attr(
                        label=f"<<B>×{item.times:,}</B>  >", labeljust="r", labelloc="t", style="rounded",
                        color=self.theme.line, fontcolor=self.theme.ink, fontsize="12", margin="9", penwidth="1.2", peripheries="1",
                        tooltip=_tip(f"{item.times:,} times {_length(item) // item.times:,} blocks"),
                    )  # fmt: skip
                    self._draw(box, item.items, run, at)
                at += _length(item)
                continue
            times = item.times if isinstance(item, Repeat) else 1
            block = run[at]
            name = f"{block.nodes[0].path}.block"
            fill, line = self.colors[block]
            dot.node(
                name, self._label(block.name, units.count(self._parameters(block)), times, wide=COLUMN - 20),
                fillcolor=fill, color=line,
                tooltip=_tip(f"{name.removesuffix('.block')}: {_words(block.mixer.component)}"),
            )  # fmt: skip
            self._follow(name, block.nodes[0].inputs[0])
            at += times
        return at

    def _parameters(self, block: _Block) -> int:
        return sum(node.cost.parameters(self.width) for node in block.nodes)

    # The cards

    def _cards(self) -> None:
        """A card for each kind of block, in as few columns as are about as high as the model."""
        cards = list(self.counts)
        columns = _columns([self._height(block) for block in cards], self.height)
        self.dot.attr("graph", pack="26", packmode=f"array_ti{len(columns) + 1}")
        number = 0
        for size in columns:
            above = ""
            for block in cards[number : number + size]:
                top, bottom = self._card(number, block)
                if above:
                    self.dot.edge(above, top, style="invis", weight="50")
                above = bottom
                number += 1

    def _height(self, block: _Block) -> int:
        """Of a card, about, in points."""
        steps = self._steps(block)
        mixer = block.mixer.component
        lines = 0 if any(step.op for step in steps) or mixer is None else len(self._chosen(mixer, block))
        return (NODE + SHAPE // 2) * _depth(steps) + 13 * lines + 100

    def _steps(self, block: _Block) -> list[_Step]:
        """What a card draws, in order, each with the steps that it reads; "" is the block's input."""
        steps: list[_Step] = []
        exits: dict[str, str] = {}
        for node in block.nodes:
            reads = tuple(
                (exits.get(source, ""), port, self.graph.node(source).outputs[-1].shape)
                for port, (source, _) in self.graph.sources(node.path).items()
            )
            if node.role == "mixer" and self.inside and node.inside is not None:
                made = {op.name: op for op in node.inside.ops}
                for op in node.inside.ops:
                    wires: list[_Wire] = [
                        (f"op.{name}", name, made[name].shape) for name in op.inputs if name in made
                    ]
                    wires += [wire for wire in reads if "x" in op.inputs]
                    steps.append(_Step(f"op.{op.name}", node, op, tuple(wires)))
                exits[node.path] = steps[-1].name
            else:
                steps.append(_Step(node.path, node, None, reads))
                exits[node.path] = node.path
        return steps

    def _card(self, number: int, block: _Block) -> tuple[str, str]:
        """Draw one card; returns its first and its last node."""
        theme, (_, line) = self.theme, self.colors[block]
        prefix = f"card.{number}."
        steps = self._steps(block)
        ends = {**self._plain(), "group": prefix}
        shape = self._shape(block.nodes[0].inputs[0].shape)
        with self.dot.subgraph(name=f"cluster_card_{number}") as card:
            card.attr(
                label=self._card_title(block, self.counts[block]), labeljust="l", labelloc="t", style="rounded,filled",
                fillcolor=theme.card, color=line, margin="12", penwidth="1.4", tooltip=_tip(block.name),
            )  # fmt: skip
            card.node(prefix, f"<<I>x</I>  {self._small(shape)}>", **ends)
            for step in steps:
                if step.op is None:
                    self._sublayer(card, prefix, step, block)
            if any(step.op for step in steps):
                self._lid(card, prefix, steps, block)
            for step in steps:
                self._wires(card, prefix, step, steps)
            card.node(prefix + "y", "<<I>y</I>>", **ends)
            card.edge(
                prefix + steps[-1].name,
                prefix + "y",
                tooltip=_tip(str(steps[-1].node.outputs[-1])),
                weight="50",
            )
        return prefix, prefix + "y"

    def _card_title(self, block: _Block, count: int) -> str:
        layer = block.nodes[0].layer
        symbol = (
            f'<FONT FACE="Courier,monospace"><B>{_text(layer.symbol)}</B></FONT>  '
            if layer is not None
            else ""
        )
        note = f'<FONT COLOR="{self.theme.faint}" POINT-SIZE="10">×{count:,}</FONT>'
        return f"<{symbol}<B>{_text(block.name)}</B>  {note}>"

    def _sublayer(self, card: graphviz.Digraph, prefix: str, step: _Step, block: _Block) -> None:
        """A norm, a closed mixer, or the plus of a residual."""
        node, name, (fill, line) = step.node, prefix + step.name, self.colors[block]
        component = node.component
        if node.role == "add":
            card.node(
                name, "+", shape="circle", width="0.26", height="0.26", fixedsize="true", margin="0", group=prefix,
                fillcolor=self.theme.paper, color=self.theme.residual, fontsize="13", tooltip="residual add",
            )  # fmt: skip
            return
        assert component is not None
        parameters = units.count(node.cost.parameters(self.width)) if node.cost.params else ""
        tip = _tip(f"{component.name}: {_words(component)}")
        if node.role == "mixer":
            label = self._tall_label(component, block, parameters)
            card.node(name, label, fillcolor=fill, color=line, tooltip=tip, group=prefix)
        else:
            said = f"+ {component.name}" if node.role == "add_norm" else component.name
            card.node(name, self._label(said, parameters, wide=CARD), tooltip=tip, group=prefix)

    def _lid(self, card: graphviz.Digraph, prefix: str, steps: list[_Step], block: _Block) -> None:
        """The operations of an opened mixer and the edges between them, in a box of their own."""
        (fill, line), component = self.colors[block], block.mixer.component
        name = _text(component.name if component is not None else "")
        with card.subgraph(name=f"cluster_{prefix}mixer") as box:
            box.attr(
                label=f'<<FONT COLOR="{self.theme.faint}" POINT-SIZE="10">{name}</FONT>>', style="rounded,filled",
                fillcolor=self.theme.paper, color=line, penwidth="1", margin="10", labeljust="l",
                tooltip=_tip(_words(component)),
            )  # fmt: skip
            for step in steps:
                op = step.op
                if op is None:
                    continue
                parameters = int(Polynomial.of(op.params).number(D=self.width, T=0))
                right = units.count(parameters) if parameters else ""
                box.node(
                    prefix + step.name, self._label(op.name, right, note=op.label, wide=CARD), fillcolor=fill, color=line,
                    group=prefix, tooltip=_tip(f"{op.kind} {self._shape(op.shape)}"),
                )  # fmt: skip
            for source, step, shape, written in self._inner(steps):
                start, end, tip = prefix + source.name, prefix + step.name, _tip(shape)
                if steps.index(step) != steps.index(source) + 1:
                    box.edge(start, end, tooltip=tip)
                    continue
                if written:
                    text = f"{end}.shape"
                    box.node(text, f"<{self._small(shape)}>", **self._plain(), group=prefix, tooltip=tip)
                    box.edge(start, text, arrowhead="none", tooltip=tip, weight="50")
                    start = text
                box.edge(start, end, tooltip=tip, weight="50")

    def _inner(self, steps: list[_Step]) -> Iterator[tuple[_Step, _Step, str, bool]]:
        """Edges between operations: from, to, shape, and whether the shape is written: where the trunk's changes."""
        known = {step.name: step for step in steps if step.op is not None}
        shown = self._shape(steps[0].reads[0][2]) if steps[0].reads else ""
        for at, step in enumerate(steps):
            for source, _, axes in step.reads:
                if step.op is not None and source in known:
                    shape = self._shape(axes)
                    trunk = source == steps[at - 1].name
                    yield known[source], step, shape, trunk and shape != shown
                    shown = shape if trunk else shown

    def _wires(self, card: graphviz.Digraph, prefix: str, step: _Step, steps: list[_Step]) -> None:
        """The edges into one step, but for those between operations; the residual stream takes a way of its own."""
        operations = {each.name for each in steps if each.op is not None}
        for source, port, axes in step.reads:
            if step.node.role == "add" and port == "x":
                self._residual(card, prefix, source, step, steps)
            elif step.op is None or source not in operations:
                card.edge(prefix + source, prefix + step.name, tooltip=_tip(self._shape(axes)), weight="50")

    def _residual(
        self, card: graphviz.Digraph, prefix: str, source: str, step: _Step, steps: list[_Step]
    ) -> None:
        """The residual stream: a rail beside the sublayer, held by two dashes of its width."""
        look = {"color": self.theme.residual, "penwidth": "1.8", "tooltip": "residual"}
        via = [f"{prefix}rail.{end}" for end in ("top", "bottom")]
        for name in via:
            card.node(
                name, "", shape="box", style="solid", width="0.001", height="0.04", fixedsize="true",
                group=prefix + "rail", **{**look, "penwidth": "1.1"},
            )  # fmt: skip
        between = [each.name for each in steps[: steps.index(step)] if each.name != source]
        ranks = self._ranks(steps)
        length = max(1, ranks[between[-1]] - ranks[between[0]]) if between else 1
        card.edge(f"{prefix}{source}:e", f"{via[0]}:n", dir="none", headclip="false", **look)
        card.edge(
            *via, dir="none", headclip="false", tailclip="false", minlen=str(length), weight="100", **look
        )
        card.edge(f"{via[1]}:s", f"{prefix}{step.name}:e", tailclip="false", **look)

    def _ranks(self, steps: list[_Step]) -> dict[str, int]:
        """Rank of each step below the input; a shape that is written takes one as well."""
        written = {step.name for _, step, _, shown in self._inner(steps) if shown}
        ranks: dict[str, int] = {"": 0}
        for at, step in enumerate(steps):
            before = steps[at - 1].name if at else ""
            trunk = [ranks[source] for source, _, _ in step.reads if source == before or step.op is None]
            ranks[step.name] = max(trunk, default=0) + 1 + (step.name in written)
        return ranks

    # Labels

    def _shape(self, shape: Shape | None) -> str:
        """`B T 4096`."""
        sizes = {"d_model": self.width, "vocab_size": self.plan.sizes.vocab_size}
        words = []
        for each in shape or ():
            value = (
                sizes.get(each) or each
                if isinstance(each, str)
                else Polynomial.of(each).evaluate({"D": self.width})
            )
            words.append(str(value))
        return " ".join(words)

    def _label(self, name: str, right: str, times: int = 1, note: str = "", *, wide: int) -> str:
        """The name on the left, a number on the right, at least `wide` points apart from edge to edge."""
        repeat = f"  <B>×{times:,}</B>" if times > 1 else ""
        below = f'<BR ALIGN="LEFT"/>{self._small(note)}' if note else ""
        left = f"<B>{_text(name)}</B>{repeat}{below}"
        return f"<{TABLE}{self._row(left, right, wide)}</TABLE>>"

    def _row(self, left: str, right: str, wide: int) -> str:
        """A row of a label; `left` is markup, `right` text."""
        number = max(NUMBER, 5 * len(right))
        if not right:
            return f'<TR><TD ALIGN="LEFT" BALIGN="LEFT" WIDTH="{wide}">{left}</TD></TR>'
        return (
            f'<TR><TD ALIGN="LEFT" BALIGN="LEFT" WIDTH="{max(1, wide - number)}">{left}</TD>'
            f'<TD ALIGN="RIGHT" WIDTH="{number}">{self._small(right)}</TD></TR>'
        )

    def _tall_label(self, component: Component, block: _Block, right: str) -> str:
        """The mixer's name above its options, one a line."""
        rows = [self._row(f"<B>{_text(component.name)}</B>", right or " ", CARD)]
        rows += [
            self._row(self._small(name), value, CARD)
            for name, value in self._chosen(component, block).items()
        ]
        return f"<{TABLE}{''.join(rows)}</TABLE>>"

    def _chosen(self, component: Component, block: _Block) -> dict[str, str]:
        layer = block.mixer.layer
        if layer is None or layer.type.mixer is not component:
            return options(component)
        return block_options(self.plan, layer.type)


def _length(item: _Block | Repeat[_Block]) -> int:
    return item.times * sum(_length(each) for each in item.items) if isinstance(item, Repeat) else 1


def _columns(heights: Sequence[int], limit: int) -> list[int]:
    """How many cards each column holds: as few columns as stay below `limit`, then as even as they can be."""
    limit = max([limit, *heights])
    while len(filled := _fill(heights, limit)) > MAX_CARD_COLUMNS:
        limit += NODE
    even = limit
    while len(_fill(heights, even)) == len(filled) and even >= max(heights, default=0):
        filled, even = _fill(heights, even), even - 10
    return filled


def _fill(heights: Sequence[int], limit: int) -> list[int]:
    columns: list[int] = []
    used = limit
    for height in heights:
        if used + height > limit:
            columns.append(0)
            used = 0
        columns[-1] += 1
        used += height
    return columns


def _depth(steps: Sequence[_Step]) -> int:
    """Steps on the longest way through."""
    depth: dict[str, int] = {}
    for step in steps:
        depth[step.name] = 1 + max((depth.get(source, 0) for source, _, _ in step.reads), default=0)
    return max(depth.values(), default=0)


def _words(component: Component | None) -> str:
    return ", ".join(f"{k} {v}" for k, v in options(component).items()) or component.name if component else ""


def _clean(text: str) -> str:
    """One line, without control characters, of at most a hundred."""
    text = " ".join("".join(" " if unicodedata.category(c)[0] == "C" else c for c in text).split())
    return text if len(text) <= 100 else text[:99] + "…"


def _text(text: str) -> str:
    """Text inside an HTML-like label; a backslash would start one of Graphviz' own escapes."""
    return html.escape(_clean(text)).replace("\\", "&#92;")


def _tip(text: str) -> str:
    """Text of a tooltip."""
    return _clean(text).replace("\\", "\\\\") or " "
