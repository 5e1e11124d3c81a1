"""Lowering: a plan becomes a block graph, one node a component, in the order of execution."""

from __future__ import annotations

from typing import Any

from blocks import BlockGraph, Component, Cost, Embedding, Input, Node, Plan, Port, T
from blocks.blocktype import BlockType, Branch, Layer
from blocks.plan import PlannedStage, PlannedStream

STREAM = Port("x")
UPDATE = Port("update")
OUTPUT = Port("y")
MEMORY = Port("memory")
LENT = Port("kv")


def lower(plan: Plan) -> BlockGraph:
    """The graph of a plan. Ensures: every stage and every part of a block is a node; shapes are not known yet."""
    graph = BlockGraph(plan=plan)
    ends: dict[str, list[str]] = {}
    for stream in plan.streams:
        ends[stream.name] = _Stream(graph, plan, stream, {name: at[0] for name, at in ends.items()}).lower()
    last = plan.streams[-1] if plan.streams else None
    if last is not None:
        sources = ends[last.name]
        names = [stage.name for stage in last.stages if stage.name and stage.path in sources]
        ports = tuple(Port(name) for name in names) or (Port("x"),)
        graph.add(Node("output", "output", inputs=ports, outputs=()), *sources)
    return graph


class _Stream:
    """Lowers one stream; `memories` leads from the streams above it to their last nodes."""

    def __init__(
        self, graph: BlockGraph, plan: Plan, stream: PlannedStream, memories: dict[str, str]
    ) -> None:
        self.graph, self.stream, self.memories = graph, stream, memories
        self.before = f"{stream.name}." if stream.name else ""
        self.letter = "T" if stream is plan.streams[-1] else "S"
        self.besides: list[str] = []

    def lower(self) -> list[str]:
        """Add the nodes of the stream; returns its last one, or all its heads."""
        inputs = [
            self._node(f"{self.before}{each.name}", "input", None, inputs=(), outputs=(self._given(each),))
            for each in self.stream.inputs
        ]
        at, *self.besides = inputs
        heads: list[str] = []
        for stage in self.stream.stages:
            if stage.role == "stack":
                for layer in stage.layers:
                    at = _Block(self, layer).lower(at)
            elif stage.name:
                heads.append(self._stage(stage, at))
            else:
                at = self._stage(stage, at)
        return heads or [at]

    def _given(self, input: Input) -> Port:
        """The port of an input, whose shape is known from the beginning."""
        shape = tuple(self.letter if size == "T" else size for size in input.shape)
        return Port("y", input.dtype, shape)

    def _stage(self, stage: PlannedStage, at: str) -> str:
        inputs: tuple[Port, ...] = (STREAM,)
        sources = [at]
        if isinstance(stage.component, Embedding):
            sources += self.besides
            read = stage.component.inputs()[: len(sources)]
            inputs = tuple(Port(each.name, each.dtype) for each in read)
        return self._node(
            stage.path,
            stage.role,
            stage.component,
            *sources[: len(inputs)],
            inputs=inputs,
            origin=stage.origin,
            width=stage.width,
        )

    def _node(self, path: str, role: str, component: Component | None, *sources: str, **fields: Any) -> str:
        return self.graph.add(Node(path, role, component, length=self.letter, **fields), *sources)


class _Block:
    """Lowers one block: `alpha x + scale * out_norm(join(branches))`."""

    def __init__(self, stream: _Stream, layer: Layer) -> None:
        self.stream, self.layer = stream, layer
        self.kind: BlockType = layer.type

    def _node(
        self, name: str, role: str, component: Component | None, *sources: str, width: int, **fields: Any
    ) -> str:
        return self.stream._node(
            f"{self.layer.path}.{name}", role, component, *sources,
            layer=self.layer, origin=self.kind.origin, width=width, **fields,
        )  # fmt: skip

    def lower(self, at: str) -> str:
        """Add the nodes of the block; returns the last one."""
        kind = self.kind
        post = kind.residual == "post"
        normed = (
            at if post or kind.norm is None else self._node("norm", "norm", kind.norm, at, width=kind.width)
        )
        ends = [self._branch(branch, at, normed) for branch in kind.branches]
        end = ends[0]
        if kind.join:
            end = self._join(ends)
        if kind.adapter is not None:
            aside = self._node("adapter", "adapter", kind.adapter, normed, width=kind.width)
            end = self._node("adapted", "add", None, end, aside, width=kind.width, inputs=(OUTPUT, UPDATE))
        end = self._scaled(end, "", kind.out_norm, kind.scale, kind.layer_scale, kind.out_width)
        if kind.residual != "none":
            note = f"{kind.alpha:.4g} x" if kind.alpha != 1 else ""
            end = self._node(
                "add", "add", None, at, end, width=kind.width, inputs=(STREAM, UPDATE), note=note
            )
        if post and kind.norm is not None:
            end = self._node("norm", "norm", kind.norm, end, width=kind.out_width)
        return end

    def _branch(self, branch: Branch, at: str, normed: str) -> str:
        kind = self.kind
        before = "" if not kind.join else f"{branch.name}_"
        source = at if branch.unnormed else normed
        if branch.norm is not None:
            source = self._node(f"{before}norm", "norm", branch.norm, at, width=kind.width)
        sources, inputs = [source], [STREAM]
        if branch.memory is not None:
            sources.append(self.stream.memories[branch.memory])
            inputs.append(MEMORY)
        if self.layer.kv_source is not None:
            sources.append(f"{self.layer.kv_source}.mixer")
            inputs.append(LENT)
        end = self._node(branch.name, "mixer", branch.mixer, *sources, inputs=tuple(inputs), width=kind.width)
        out = branch.mixer.out_width(kind.width)
        return self._scaled(end, before, branch.out_norm, branch.scale, branch.layer_scale, out)

    def _scaled(
        self,
        end: str,
        before: str,
        norm: Component | None,
        scale: float,
        layer_scale: float | None,
        width: int,
    ) -> str:
        if norm is not None:
            end = self._node(f"{before}out_norm", "norm", norm, end, width=width)
        if scale != 1:
            end = self._node(f"{before}scale", "scale", None, end, width=width, note=f"× {scale:.4g}")
        if layer_scale is not None:
            note = f"× a factor a channel, {layer_scale:.4g} at first"
            cost = Cost(params=width)
            end = self._node(f"{before}layer_scale", "scale", None, end, width=width, note=note, cost=cost)
        return end

    def _join(self, ends: list[str]) -> str:
        kind = self.kind
        ports = tuple(Port(branch.name) for branch in kind.branches)
        weights = kind.joined_width * kind.out_width
        cost = Cost(params=weights, flops=2 * weights * T) if weights else Cost()
        return self._node(
            "join", "join", None, *ends, inputs=ports, width=kind.width, note=kind.join, cost=cost
        )
