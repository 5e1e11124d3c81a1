"""The left of a diagram: the model from tokens to output as a column, repeats folded into boxes `×N`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from blocks import BlockGraph, Head, Node, Port
from blocks.fold import Folded, Repeat, fold
from blocks_compiler import units
from blocks_compiler.backends.diagram_labels import COLUMN, Labels, text, tip, words
from blocks_compiler.backends.diagram_parts import Block, length

if TYPE_CHECKING:
    import graphviz  # type: ignore[import-untyped]

MAX_DRAWN = 240
"""Items drawn at most; of a longer column the middle is left out and counted."""
NODE, SHAPE, BOX, NOTE = 43, 28, 30, 12
"""Points that a node with the edge above it, a shape on an edge, a box around repeats, a note take, about."""
TITLES = {"embedding": "embedding", "position": "positions", "head": "head"}


class Column:
    """Draws into `dot`; `height` is that of what was drawn, about, in points."""

    def __init__(
        self,
        graph: BlockGraph,
        dot: graphviz.Digraph,
        labels: Labels,
        colors: Mapping[Block, tuple[str, str]],
        *,
        folded: bool,
        named: bool = False,
    ) -> None:
        self.graph, self.dot, self.labels, self.colors, self.folded = graph, dot, labels, colors, folded
        self.named = named
        """Whether a block says which streams it reads by their names, since a line would cross other streams."""
        self.height = 0
        self.readers: list[tuple[str, str]] = []
        """What reads another stream: path of that stream's last node, and what was drawn for the reader."""
        self._boxes = 0
        self._heads: list[str] = []
        self._besides: list[str] = []
        """Inputs besides the first, until the embedding that reads them is drawn."""
        self._fork = ("", "")  # the last node and shape before several heads
        self.ends: dict[str, str] = {}
        """Path of a node -> what was drawn for it."""
        self._last = ""  # the last node
        self._shown = ""  # the shape that was written last

    def draw(self, parts: list[Node | Block]) -> None:
        """Draw the stages and blocks of a model."""
        run: list[Block] = []
        for item in (*parts, None):
            if isinstance(item, Block):
                run.append(item)
                continue
            if run:
                self._stack(run)
                self.ends[run[-1].nodes[-1].path] = self._last
                run = []
            if item is not None:
                self._stage(item)
                self.ends[item.path] = self._last

    def end_as(self, name: str) -> None:
        """Under the last node, the name that other streams read the stream by, with its shape."""
        end = f"{self._last}.end"
        self.dot.node(
            end, self.labels.end(name, self._shown), **self.labels.plain(), tooltip=tip(self._shown)
        )
        self._follow(end, None)

    def _follow(self, name: str, port: Port | None) -> None:
        """Continue with a node that is drawn already; the shape of the edge is written where it changes.

        Edges belong to the column as a whole: inside a box they would draw their ends into it.
        """
        if self._last:
            shape = self.labels.shape(port.shape if port is not None else None)
            about = tip(shape)
            if port is not None and shape != self._shown:
                written = f"{name}.shape"
                self.dot.node(written, f"<{self.labels.small(shape)}>", **self.labels.plain(), tooltip=about)
                self.dot.edge(self._last, written, arrowhead="none", weight="50", tooltip=about)
                self._last, self._shown = written, shape
                self.height += SHAPE
            self.dot.edge(self._last, name, weight="50", tooltip=about)
        self._last = name
        self.height += NODE

    def _stage(self, node: Node) -> None:
        labels = self.labels
        if node.role == "output" and len(node.inputs) > 1:
            self._outputs(node)
            return
        if node.component is None:
            port = (*node.outputs, *node.inputs)[0]
            shape = labels.shape(port.shape)
            self.dot.node(node.path, labels.end(self._end(node), shape), **labels.plain(), tooltip=tip(shape))
            if node.role == "input" and self._last:
                self._besides.append(node.path)
                return
            self._shown = shape
            self._follow(node.path, None)
            return
        parameters = node.cost.parameters(node.width)
        number, note = units.count(parameters) if parameters else "", ""
        if node.ties and not parameters:
            note = f"tied to {node.ties[0][1]}"
        if node.shared:
            number, note = "", f"shared with {node.shared}"
        name = f"{node.component.name} {TITLES.get(node.role, '')}".strip()
        if self._is_one_of_several(node):
            name = f"{node.path.rpartition('.')[2]}: {name}"
            self._fork = self._fork if self._heads else (self._last, self._shown)
            self._last, self._shown = self._fork
            self._heads.append(node.path)
        about = tip(f"{node.path}: {words(node.component)}")
        self.dot.node(node.path, labels.box(name, number, note=note, wide=COLUMN), tooltip=about)
        self._follow(node.path, node.inputs[0])
        for path in self._besides:
            self.dot.edge(path, node.path)
        self._besides = []
        self.height += NOTE if note else 0

    def _is_one_of_several(self, node: Node) -> bool:
        readers = (self.graph.node(path) for path in self.graph.successors(node.path))
        return node.role == "head" and any(len(reader.inputs) > 1 for reader in readers)

    def _outputs(self, node: Node) -> None:
        """One end for each of several heads."""
        for port, head in zip(node.inputs, self._heads, strict=True):
            shape, name = self.labels.shape(port.shape), f"{node.path}.{port.name}"
            self.dot.node(name, self.labels.end(port.name, shape), **self.labels.plain(), tooltip=tip(shape))
            self.dot.edge(head, name, tooltip=tip(shape))
        self.height += NODE

    def _end(self, node: Node) -> str:
        if node.role == "input":
            return node.path.rpartition(".")[2]
        for source, _ in self.graph.sources(node.path).values():
            component = self.graph.node(source).component
            if isinstance(component, Head):
                return component.gives
        return "output"

    def _stack(self, run: list[Block]) -> None:
        """Draw a run of blocks."""
        folded: Folded[Block] = fold(run) if self.folded else tuple(run)
        left_out = len(folded) - MAX_DRAWN
        if left_out <= 0:
            self._draw(self.dot, folded, run, 0)
            return
        half = MAX_DRAWN // 2
        at = self._draw(self.dot, folded[:half], run, 0)
        hidden = sum(length(item) for item in folded[half : half + left_out])
        name = f"{run[at].nodes[0].path}.more"
        self.dot.node(name, f"… {hidden:,} more blocks …", **self.labels.plain())
        self._follow(name, None)
        self._draw(self.dot, folded[half + left_out :], run, at + hidden)

    def _draw(self, dot: graphviz.Digraph, folded: Folded[Block], run: list[Block], at: int) -> int:
        """Draw a folded run from index `at` on; returns the index after it."""
        for item in folded:
            if isinstance(item, Repeat) and len(item.items) > 1:
                self._repeat(dot, item, run, at)
            else:
                self._block(dot, run[at], item.times if isinstance(item, Repeat) else 1)
            at += length(item)
        return at

    def _repeat(self, dot: graphviz.Digraph, item: Repeat[Block], run: list[Block], at: int) -> None:
        theme, first = self.labels.theme, run[at].nodes[0].path.replace(".", "_")
        self._boxes += 1
        self.height += BOX
        with dot.subgraph(name=f"cluster_repeat_{first}_{self._boxes}") as box:
            box.attr(
                label=f"<<B>×{item.times:,}</B>  >", labeljust="r", labelloc="t", style="rounded", color=theme.line,
                fontcolor=theme.ink, fontsize="12", margin="9", penwidth="1.2", peripheries="1",
                tooltip=tip(f"{item.times:,} times {length(item) // item.times:,} blocks"),
            )  # fmt: skip
            self._draw(box, item.items, run, at)

    def _block(self, dot: graphviz.Digraph, block: Block, times: int) -> None:
        first = block.nodes[0]
        name = f"{first.path}.block"
        fill, line = self.colors[block]
        parameters = units.count(block.parameters)
        sources = (self.graph.sources(node.path).get("memory") for node in block.nodes)
        read = list(dict.fromkeys(source[0] for source in sources if source is not None))
        note = ""
        if read and self.named:
            note = f"reads {', '.join(source.partition('.')[0] for source in read)}"
            self.height += NOTE
        else:
            self.readers += [(source, name) for source in read]
        label = self.labels.box(block.name, parameters, times, note, wide=COLUMN - 20)
        dot.node(
            name, label, fillcolor=fill, color=line,
            tooltip=tip(f"{first.layer.path if first.layer else first.path}: {words(block.mixer.component)}"),
        )  # fmt: skip
        self._follow(name, first.inputs[0])


def title(name: str, facts: list[str], labels: Labels) -> str:
    """The label above the picture."""
    head = f'<FONT POINT-SIZE="17"><B>{text(name)}</B></FONT>'
    line = f'<FONT POINT-SIZE="10.5" COLOR="{labels.theme.faint}">{text("  ·  ".join(facts))}</FONT>'
    rows = "".join(f'<TR><TD ALIGN="LEFT">{row}</TD></TR>' for row in (head, line))
    below = '<TR><TD HEIGHT="8"></TD></TR>'
    return f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="2">{rows}{below}</TABLE>>'
