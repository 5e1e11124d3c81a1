"""The right of a diagram: a card for each distinct kind of block, with its norm, mixer and residual stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from blocks import BlockGraph, Node, Plan, Polynomial
from blocks_compiler import units
from blocks_compiler.backends import diagram_parts
from blocks_compiler.backends.diagram_labels import CARD, Labels, text, tip, words
from blocks_compiler.backends.diagram_parts import Block, Step
from blocks_compiler.describe import block_options, options

if TYPE_CHECKING:
    import graphviz  # type: ignore[import-untyped]

STEP, LINE, FRAME = 57, 13, 100
"""Points that a step, an option, and what is around them take in a card, about."""
TRUNK = {"weight": "50"}
NOTES = {"concat": "concat, linear"}


class Card:
    """One kind of block. Names of its nodes begin with `prefix`."""

    def __init__(
        self,
        graph: BlockGraph,
        block: Block,
        number: int,
        labels: Labels,
        color: tuple[str, str],
        *,
        inside: bool,
    ) -> None:
        self.block, self.labels, self.number = block, labels, number
        self.fill, self.line = color
        self.plan: Plan = graph.graph["plan"]
        self.prefix = f"card.{number}."
        self.steps = diagram_parts.steps(graph, block, inside=inside)
        self.place = {step.name: at for at, step in enumerate(self.steps)}

    @property
    def height(self) -> int:
        """Height in points, about."""
        opened = any(step.op for step in self.steps)
        return STEP * diagram_parts.depth(self.steps) + LINE * (0 if opened else len(self._options())) + FRAME

    def draw(self, dot: graphviz.Digraph, count: int) -> tuple[str, str]:
        """Draw it; returns its first and its last node."""
        labels, prefix, last = self.labels, self.prefix, self.steps[-1]
        shape = labels.shape(self.block.nodes[0].inputs[0].shape)
        ends = {**labels.plain(), "group": prefix}
        with dot.subgraph(name=f"cluster_card_{self.number}") as card:
            card.attr(
                label=self._title(count), labeljust="l", labelloc="t", style="rounded,filled", color=self.line,
                fillcolor=labels.theme.card, margin="12", penwidth="1.4", tooltip=tip(self.block.name),
            )  # fmt: skip
            card.node(prefix, labels.end("x", shape), **ends, tooltip=tip(shape))
            for name, said, about in self._asides():
                card.node(prefix + name, labels.end(said, about), **labels.plain(), tooltip=tip(about))
            for step in self.steps:
                if step.op is None:
                    self._node(card, step)
            for node in dict.fromkeys(step.node for step in self.steps if step.op is not None):
                self._lid(card, node)
            for step in self.steps:
                self._wires(card, step)
            out = tip(labels.shape(last.node.outputs[-1].shape))
            card.node(f"{prefix}y", "<<I>y</I>>", **ends, tooltip=out)
            card.edge(prefix + last.name, f"{prefix}y", tooltip=out, **TRUNK)
        return prefix, f"{prefix}y"

    def _title(self, count: int) -> str:
        layer = self.block.nodes[0].layer
        symbol = (
            f'<FONT FACE="Courier,monospace"><B>{text(layer.symbol)}</B></FONT>  '
            if layer is not None
            else ""
        )
        shared = ", one set of parameters" if layer is not None and layer.type.share and count > 1 else ""
        note = f'<FONT COLOR="{self.labels.theme.faint}" POINT-SIZE="10">×{count:,}{shared}</FONT>'
        return f"<{symbol}<B>{text(self.block.name)}</B>  {note}>"

    def _options(self, node: Node | None = None) -> Mapping[str, str]:
        node = node or self.block.mixer
        mixer, layer = node.component, node.layer
        if layer is not None and layer.type.mixer is mixer and not layer.type.join:
            return block_options(self.plan, layer.type)
        written = self.plan.canonical.blocks.get(_entry(node))
        return options(mixer, written.options if written is not None else ()) if mixer is not None else {}

    def _asides(self) -> Iterator[tuple[str, str, str]]:
        """What the block reads besides its stream: name of the node, what it is called, its shape or place."""
        layer = self.block.nodes[0].layer
        seen: set[str] = set()
        for step in self.steps:
            for source, port, axes in step.reads:
                if not _is_aside(source, port) or source in seen:
                    continue
                seen.add(source)
                lent = layer.type.kv_from if layer is not None and port == "kv" else None
                said = source.rpartition(".")[2]
                yield source, "keys, values of" if lent else said, lent or self.labels.shape(axes)

    # Nodes

    def _node(self, card: graphviz.Digraph, step: Step) -> None:
        """A norm, a closed mixer, a factor, or the plus of a sum."""
        labels, node, name = self.labels, step.node, self.prefix + step.name
        component = node.component
        if component is None and node.note not in ("", "sum"):
            parameters = units.count(node.cost.parameters(node.width)) if node.cost.params else ""
            said = f"{node.note} + y" if node.role == "add" else NOTES.get(node.note, node.note)
            label = labels.box(said, parameters, wide=CARD // 2)
            card.node(name, label, color=labels.theme.residual, group=self.prefix, tooltip=tip(said))
            return
        if component is None:
            card.node(
                name, "+", shape="circle", width="0.26", height="0.26", fixedsize="true", margin="0", fontsize="13",
                fillcolor=labels.theme.paper, color=labels.theme.residual, group=self.prefix, tooltip="residual add",
            )  # fmt: skip
            return
        parameters = units.count(node.cost.parameters(node.width)) if node.cost.params else ""
        about = tip(f"{component.name}: {words(component)}")
        if node.role == "mixer":
            label = labels.options(component.name, parameters, self._options(node), entry=_named(node))
            card.node(
                name, label, fillcolor=self.fill, color=self.line, tooltip=about, group=self._group(node)
            )
        else:
            said = f"+ {component.name}" if node.role == "add_norm" else component.name
            card.node(name, labels.box(said, parameters, wide=CARD), tooltip=about, group=self.prefix)

    def _group(self, node: Node) -> str:
        """Nodes of one group stand above each other; branches of a parallel block stand side by side."""
        parallel = node.layer is not None and node.layer.type.join
        return f"{self.prefix}{node.path}" if parallel else self.prefix

    def _lid(self, card: graphviz.Digraph, node: Node) -> None:
        """The operations of an opened mixer and the edges between them, in a box of their own."""
        labels, component = self.labels, node.component
        name = f"{_named(node)}  {component.name if component is not None else ''}".strip()
        with card.subgraph(name=f"cluster_{self.prefix}{node.path}") as box:
            box.attr(
                label=f"<{labels.small(name)}>", labeljust="l", style="rounded,filled", fillcolor=labels.theme.paper,
                color=self.line, penwidth="1", margin="10", tooltip=tip(words(component)),
            )  # fmt: skip
            for step in self.steps:
                if step.op is None or step.node is not node:
                    continue
                parameters = int(Polynomial.of(step.op.params).number(D=node.width, T=0, S=0))
                right = units.count(parameters) if parameters else ""
                box.node(
                    self.prefix + step.name, labels.box(step.op.name, right, note=step.op.label, wide=CARD),
                    fillcolor=self.fill, color=self.line, group=self._group(node),
                    tooltip=tip(f"{step.op.kind} {labels.shape(step.op.shape, node.width)}"),
                )  # fmt: skip
            for source, step, shape, written in self._inner():
                if step.node is node:
                    self._inner_edge(box, source, step, shape, written)

    # Edges

    def _inner(self) -> Iterator[tuple[Step, Step, str, bool]]:
        """Edges between operations: from, to, shape, and whether it is written: where that of the trunk changes."""
        shown = self.labels.shape(self.block.nodes[0].inputs[0].shape)
        for at, step in enumerate(self.steps):
            for name, _, axes in step.reads:
                source = self.steps[self.place[name]] if name in self.place else None
                if step.op is not None and source is not None and source.op is not None:
                    shape, trunk = self.labels.shape(axes, step.node.width), self.place[name] == at - 1
                    yield source, step, shape, trunk and shape != shown
                    shown = shape if trunk else shown

    def _inner_edge(self, box: graphviz.Digraph, source: Step, step: Step, shape: str, written: bool) -> None:
        start, end, about = self.prefix + source.name, self.prefix + step.name, tip(shape)
        if self.place[step.name] != self.place[source.name] + 1:
            box.edge(start, end, tooltip=about)
            return
        if written:
            label = f"<{self.labels.small(shape)}>"
            box.node(f"{end}.shape", label, **self.labels.plain(), group=self.prefix, tooltip=about)
            box.edge(start, f"{end}.shape", arrowhead="none", tooltip=about, **TRUNK)
            start = f"{end}.shape"
        box.edge(start, end, tooltip=about, **TRUNK)

    def _wires(self, card: graphviz.Digraph, step: Step) -> None:
        """The edges into one step, but for those between operations; the residual stream takes a way of its own."""
        for source, port, axes in step.reads:
            if step.node.role == "add" and port == "x":
                self._residual(card, source, step)
            elif _is_aside(source, port):
                about = tip(self.labels.shape(axes))
                card.edge(self.prefix + source, self.prefix + step.name, tooltip=about, style="dashed")
            elif step.op is None or not source or self.steps[self.place[source]].op is None:
                about = tip(self.labels.shape(axes))
                card.edge(self.prefix + source, self.prefix + step.name, tooltip=about, **TRUNK)

    def _residual(self, card: graphviz.Digraph, source: str, step: Step) -> None:
        """The residual stream: a rail beside the sublayer, held by two dashes of its width."""
        look = {"color": self.labels.theme.residual, "penwidth": "1.8", "tooltip": "residual"}
        top, bottom = f"{self.prefix}rail.top", f"{self.prefix}rail.bottom"
        for name in (top, bottom):
            card.node(
                name, "", shape="box", style="solid", width="0.001", height="0.04", fixedsize="true",
                group=f"{self.prefix}rail", **{**look, "penwidth": "1.6"},
            )  # fmt: skip
        between = [each.name for each in self.steps[: self.place[step.name]] if each.name != source]
        ranks = self._ranks()
        length = max(1, ranks[between[-1]] - ranks[between[0]]) if between else 1
        card.edge(f"{self.prefix}{source}:e", f"{top}:n", dir="none", headclip="false", **look)
        card.edge(
            top,
            bottom,
            dir="none",
            headclip="false",
            tailclip="false",
            minlen=str(length),
            weight="100",
            **look,
        )
        card.edge(f"{bottom}:s", f"{self.prefix}{step.name}:e", tailclip="false", **look)

    def _ranks(self) -> dict[str, int]:
        """Rank of each step below the input; a shape that is written takes one as well."""
        written = {step.name for _, step, _, shown in self._inner() if shown}
        ranks = {"": 0, **{name: 0 for name, _, _ in self._asides()}}
        for at, step in enumerate(self.steps):
            before = self.steps[at - 1].name if at else ""
            trunk = [ranks[source] for source, _, _ in step.reads if source == before or step.op is None]
            ranks[step.name] = max(trunk, default=0) + 1 + (step.name in written)
        return ranks


def _is_aside(source: str, port: str) -> bool:
    """Whether a port reads something else than the stream."""
    return port in diagram_parts.ASIDE and source.startswith(f"in.{port}")


def _entry(node: Node) -> str:
    """The name that the recipe gives a branch; "" in a block of one mixer."""
    branch = diagram_parts.branch(node)
    return branch.entry if branch is not None else ""


def _named(node: Node) -> str:
    """The same where it says more than the name of the mixer."""
    entry = _entry(node)
    return "" if node.component is not None and entry == node.component.name else entry
