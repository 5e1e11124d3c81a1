"""The diagram of a block graph, as DOT text.

On the left the model as a column, repeats folded into boxes `×N`; beside it a card for each distinct kind of
block with what happens inside: norm, mixer, residual. With `inside` a card shows the operations of its mixer.
Nodes carry parameters, edges shapes; colours tell families of mixers (see `blocks_compiler.families`).

The text depends on the graph alone: the same graph gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from blocks import BlockGraph, Mixer, Node, Plan
from blocks_compiler import units
from blocks_compiler.backends.diagram_cards import Card
from blocks_compiler.backends.diagram_column import Column, title
from blocks_compiler.backends.diagram_labels import FONT, Labels, text, tip
from blocks_compiler.backends.diagram_parts import Block, columns, items, representatives
from blocks_compiler.backends.theme import LIGHT, Theme
from blocks_compiler.families import family

if TYPE_CHECKING:
    import graphviz  # type: ignore[import-untyped]

MAX_CARD_COLUMNS = 5


def diagram(graph: BlockGraph, *, inside: bool = False, folded: bool = True, theme: Theme = LIGHT) -> str:
    """DOT text of the diagram of a graph after all passes."""
    import graphviz

    plan: Plan = graph.graph["plan"]
    parts = list(items(graph))
    counts = Counter(part for part in parts if isinstance(part, Block))
    labels = Labels(theme, plan.sizes.d_model, plan.sizes.vocab_size)
    colors = _colors(counts, theme)
    dot = graphviz.Digraph("model")
    dot.attr(
        "graph", rankdir="TB", bgcolor=theme.paper, fontname=FONT, fontcolor=theme.ink, fontsize="11", nodesep="0.3",
        ranksep="0.22", pad="0.3", label=title(plan.name, _facts(graph, sum(counts.values())), labels), labelloc="t",
        labeljust="l", tooltip=tip(plan.name),
    )  # fmt: skip
    dot.attr(
        "node", shape="box", style="filled,rounded", fontname=FONT, fontsize="11", fontcolor=theme.ink,
        color=theme.line, fillcolor=theme.stage, margin="0.14,0.06", height="0.36", penwidth="1",
    )  # fmt: skip
    dot.attr("edge", color=theme.stream, arrowsize="0.6", penwidth="1.4")
    with dot.subgraph(name="cluster_model") as left:  # a cluster, since clusters are packed first
        left.attr(label="", peripheries="0", margin="0")
        height = _streams(
            left,
            graph,
            parts,
            lambda dot, named: Column(graph, dot, labels, colors, folded=folded, named=named),
        )
    kinds = representatives(part for part in parts if isinstance(part, Block))
    cards = [Card(graph, block, at, labels, colors[block], inside=inside) for at, block in enumerate(kinds)]
    rows = columns([card.height for card in cards], height, MAX_CARD_COLUMNS)
    dot.attr("graph", pack="26", packmode=f"array_ti{len(rows) + 1}")
    rest = iter(cards)
    for size in rows:
        above = ""
        for _ in range(size):
            card = next(rest)
            top, bottom = card.draw(dot, counts[card.block])
            if above:
                dot.edge(above, top, style="invis", weight="50")
            above = bottom
    return str(dot.source)


def _streams(
    left: graphviz.Digraph,
    graph: BlockGraph,
    parts: Sequence[Node | Block],
    column_in: Callable[[graphviz.Digraph, bool], Column],
) -> int:
    """Draw a column for each stream, side by side, and what one reads of another; returns the height.

    A dashed line leads from a stream to what reads it in the next one. Where a stream further on reads it, names
    stand in place of all lines.
    """
    plan: Plan = graph.graph["plan"]
    runs: list[list[Node | Block]] = []
    before = ""
    for part in parts:
        role = part.role if isinstance(part, Node) else "block"
        if role == "input" != before:
            runs.append([])
        runs[-1].append(part)
        before = role
    if len(runs) < 2:
        column = column_in(left, False)
        column.draw(list(parts))
        return column.height
    columns: list[Column] = []
    read = _read(graph)
    order = [stream.name for stream in plan.streams]
    named = any(order.index(reader) - order.index(source) > 1 for source, reader in read)
    for stream, run in zip(plan.streams, runs, strict=True):
        with left.subgraph(name=f"cluster_stream_{stream.name}") as box:
            title = f"<<B>{text(stream.name)}</B>>"
            box.attr(
                label=title,
                labelloc="t",
                labeljust="l",
                peripheries="0",
                margin="10",
                tooltip=tip(stream.name),
            )
            columns.append(column_in(box, named))
            columns[-1].draw(run)
            if named and any(source == stream.name for source, _ in read):
                columns[-1].end_as(stream.name)
    ends = {path: name for column in columns for path, name in column.ends.items()}
    theme = columns[0].labels.theme
    for column in columns:
        for source, reader in column.readers:
            left.edge(
                ends[source],
                reader,
                style="dashed",
                constraint="false",
                color=theme.residual,
                tooltip="memory",
            )
    return max(column.height for column in columns)


def _read(graph: BlockGraph) -> set[tuple[str, str]]:
    """Which stream is read by which."""
    pairs = ((graph.sources(node.path).get("memory"), node) for node in graph.walk())
    return {(s[0].partition(".")[0], node.path.partition(".")[0]) for s, node in pairs if s is not None}


def graph_svg(graph: BlockGraph, *, inside: bool = False, folded: bool = True, theme: Theme = LIGHT) -> str:
    """The diagram as SVG text. Raises BlocksError B0806 where nothing can lay it out."""
    from blocks_compiler.backends.render import render

    return render(diagram(graph, inside=inside, folded=folded, theme=theme), "svg").decode()


def _colors(blocks: Iterable[Block], theme: Theme) -> dict[Block, tuple[str, str]]:
    """Fill and line of each kind of block: the family's hue, a shade of its own within the family."""
    seen: Counter[str] = Counter()
    colors: dict[Block, tuple[str, str]] = {}
    for block in blocks:
        mixer = block.mixer.component
        name = family(mixer) if isinstance(mixer, Mixer) else "other"
        colors[block] = theme.shade(name, seen[name])
        seen[name] += 1
    return colors


def _facts(graph: BlockGraph, blocks: int) -> list[str]:
    plan: Plan = graph.graph["plan"]
    facts = [
        f"{units.count(plan.parameters)} parameters",
        units.number(blocks, "block"),
        f"d_model {plan.sizes.d_model:,}",
    ]
    if plan.sizes.vocab_size:
        facts.append(f"vocabulary {plan.sizes.vocab_size:,}")
    return facts
