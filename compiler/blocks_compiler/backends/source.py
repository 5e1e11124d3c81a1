"""The source backend: a block graph as one readable PyTorch file that imports torch and nothing else.

The file is what the module backend runs, so what one reads is what one gets: the header names the
architecture, then come the classes it uses (the plugins' own text), one function a kind of block, the layout
with its repeats, and the model.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping
from dataclasses import dataclass

from blocks import BlockGraph, Call, Component, Node, Plan
from blocks.plan import BlockType, PlannedStage
from blocks_compiler.backends.calls import Calls, brief
from blocks_compiler.backends.inline import Inliner
from blocks_compiler.backends.text import (
    WIDTH,
    camel,
    identifier,
    imported,
    imports,
    row,
    sum_of,
    terms,
    wrapped,
)
from blocks_compiler.fold import fold

RUNTIME = "blocks_compiler.backends.runtime"
BLOCKS = {"pre": "PreNormBlock", "post": "PostNormBlock", "none": "PlainBlock", "fused": "FusedBlock"}
LEGEND = "Shapes: B batch, T tokens of this call, D = d_model; each class says what its other letters mean."


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a model and the name of its class."""

    text: str
    class_name: str


def generate(graph: BlockGraph) -> Source:
    """The model's file. Raises BuildError for a component whose text cannot stand alone."""
    return _Writer(graph).write()


def generate_component(component: Component, width: int) -> Source:
    """The file of one component alone, with `make` and `init_weights`. Raises BuildError."""
    writer = Calls(Inliner())
    text = writer.call(component.call(width), 4)
    init = writer.inliner.add(f"{RUNTIME}:init_weights")
    writer.inliner.imports.add("from torch import nn")
    name = type(component).__name__
    make = f'def make() -> nn.Module:\n    """{name} of width {width}."""\n    return {text}\n'
    texts = dict(writer.inliner.texts)
    last = texts.pop(init)
    head = f'"""{name} of width {width}, alone."""\n\n{imports(writer.inliner.imports)}\n'
    return Source(head + "".join(f"\n\n{part}" for part in (*texts.values(), make, last)), "make")


class _Writer:
    def __init__(self, graph: BlockGraph) -> None:
        self.graph = graph
        self.plan: Plan = graph.graph["plan"]
        kernels: Mapping[str, tuple[str, str]] = graph.graph["kernels"]
        self.inliner = Inliner(replace=dict(kernels.values()))
        self.calls = Calls(self.inliner)
        self.width = self.plan.sizes.d_model
        self.layers = self.plan.layers
        self.fused = {stage.path for stage in self.plan.stages if self._is_fused(stage)}
        self._take_in_components()
        self.layouts = self._name_layouts()
        self.makers = self._name_makers()

    def _is_fused(self, stage: PlannedStage) -> bool:
        """Whether every residual sum of a stack is left to the norm after it; the last one may stay."""
        if not stage.layers or any(layer.type.residual != "pre" for layer in stage.layers):
            return False
        norms = [f"{layer.path}.norm" for layer in stage.layers[1:]]
        if not norms:
            return f"{stage.layers[0].path}.add" not in self.graph
        return all(path in self.graph and self.graph.node(path).role == "add_norm" for path in norms)

    def _take_in_components(self) -> None:
        """Inline every class before anything is named, so that no name of a recipe hides one of theirs."""
        for kind in dict.fromkeys(layer.type for layer in self.layers):
            self.inliner.add(f"{RUNTIME}:{self._block(kind)}")
            self._take_in(Call("torch.nn:Identity") if kind.norm is None else kind.norm.call(self.width))
            self._take_in(kind.mixer.call(self.width))
        for stage in self.plan.stages:
            if stage.component is not None:
                self._take_in(stage.component.call(self.width))
        self.inliner.add(f"{RUNTIME}:init_weights")
        self.inliner.imports |= {"from typing import Any", "from torch import Tensor", "from torch import nn"}

    def _take_in(self, call: Call) -> None:
        self.inliner.add(call.target)
        for value in (*call.args, *call.kwargs.values()):
            if isinstance(value, Call):
                self._take_in(value)

    def _taken(self) -> set[str]:
        """Names that the file needs for itself: what it defines, imports, and Python's own."""
        return {*self._taken_by_others(), *self.layouts.values()}

    def _taken_by_others(self) -> set[str]:
        return {*self.inliner.texts, *imported(self.inliner.imports), *dir(builtins), "torch"}

    def _name_layouts(self) -> dict[str, str]:
        """Path of a stack -> the constant that lists its blocks: LAYERS, or F_LAYOUT where F is taken."""
        taken = self._taken_by_others()
        names: dict[str, str] = {}
        for stage in self.plan.stages:
            if stage.layers:
                name = stage.path.upper()
                while name in taken or name in names.values():
                    name += "_LAYOUT"
                names[stage.path] = name
        return names

    def _block(self, kind: BlockType) -> str:
        """The class in `runtime` of one kind of block."""
        for stage in self.plan.stages:
            if stage.path in self.fused and any(layer.type is kind for layer in stage.layers):
                return BLOCKS["fused"]
        return BLOCKS[kind.residual]

    def _name_makers(self) -> dict[BlockType, str]:
        """A function name for each kind of block: its name in the recipe, numbered where that is taken."""
        names: dict[BlockType, str] = {}
        taken = self._taken()
        for layer in self.layers:
            if layer.type in names:
                continue
            base = identifier(layer.type.name)
            name, count = base, 1
            while name in taken:
                count += 1
                name = f"{base}_{count}"
            taken.add(name)
            names[layer.type] = name
        return names

    def write(self) -> Source:
        taken = self._taken() | set(self.makers.values())
        class_name = camel(self.plan.name)
        while class_name in taken:
            class_name += "Model"
        makers = [self._maker(kind, name) for kind, name in self.makers.items()]
        model = self._model(class_name)
        init = self.inliner.add(f"{RUNTIME}:init_weights")
        texts = dict(self.inliner.texts)
        last = texts.pop(init)
        parts = [*texts.values(), *makers, *self._layouts(), model, last]
        head = f"{self._header()}\n{imports(self.inliner.imports)}\n"
        text = re.sub(r"\n{4,}", "\n\n\n", head + "".join(f"\n\n{part}" for part in parts))
        return Source(text, class_name)

    # The header

    def _header(self) -> str:
        plan, graph = self.plan, self.graph
        total = sum(node.cost.parameters(self.width) for node in graph.walk())
        size = f"{len(self.layers)} blocks, d_model {self.width}, {total:,} parameters"
        lines = [f'"""{plan.name}: {size}.', ""]
        if plan.about:
            lines += [*wrapped(plan.about), ""]
        lines += self._stage_lines()
        origin = f"Written from the recipe {plan.name} by `blocks eject`; edit it freely."
        lines += ["", LEGEND, origin, '"""']
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def _stage_lines(self) -> list[str]:
        rows: list[tuple[str, str]] = []
        for stage in self.plan.stages:
            if stage.role != "stack":
                assert stage.component is not None
                call = stage.component.call(self.width)
                tied = ", tied to the embedding" if self.graph.node(stage.path).ties else ""
                rows.append((stage.path, brief(call) + tied))
                continue
            pattern = "".join(layer.symbol for layer in stage.layers)
            rows.append((stage.path, f"{len(stage.layers)} blocks, {pattern}"))
            counts: dict[BlockType, int] = {}
            for layer in stage.layers:
                counts[layer.type] = counts.get(layer.type, 0) + 1
            for kind, count in counts.items():
                letter = next(layer.symbol for layer in stage.layers if layer.type is kind)
                words = brief(kind.mixer.call(self.width))
                rows.append(("", f"{letter} {count} of {_formula(kind)}, {words}"))
        left = max(len(name) for name, _ in rows)
        return [line for name, text in rows for line in row(name, text, left)]

    # Blocks

    def _maker(self, kind: BlockType, name: str) -> str:
        block = self.inliner.add(f"{RUNTIME}:{self._block(kind)}")
        norm = Call("torch.nn:Identity") if kind.norm is None else kind.norm.call(self.width)
        inner = [self.calls.call(norm, 8), self.calls.call(kind.mixer.call(self.width), 8)]
        flat = f"    return {block}({', '.join(inner)})"
        if len(flat) > WIDTH or "\n" in flat:
            flat = f"    return {block}(\n        {inner[0]},\n        {inner[1]},\n    )"
        return f'def {name}() -> {block}:\n    """{_formula(kind)}."""\n{flat}\n'

    # Layout

    def _layouts(self) -> list[str]:
        found = []
        for stage in self.plan.stages:
            if stage.layers:
                folded = terms(fold([self.makers[layer.type] for layer in stage.layers]))
                found.append(f"{self.layouts[stage.path]} = {sum_of(folded)}\n")
        return found

    # The model

    def _model(self, class_name: str) -> str:
        body = [f"class {class_name}(nn.Module):", f'    """{self._summary()}."""', ""]
        body += ["    def __init__(self) -> None:", "        super().__init__()"]
        for stage in self.plan.stages:
            body.append(f"        self.{stage.path} = {self._stage_value(stage)}")
            for own, other in () if stage.role == "stack" else self.graph.node(stage.path).ties:
                body.append(f"        self.{stage.path}.{own} = self.{other}")
        body += ["", *self._forward()]
        return "\n".join(body) + "\n"

    def _summary(self) -> str:
        return "Token ids to logits" if self._has_head() else "Token ids to hidden states"

    def _has_head(self) -> bool:
        return any(stage.role == "head" for stage in self.plan.stages)

    def _stage_value(self, stage: PlannedStage) -> str:
        if stage.layers or stage.role == "stack":
            return (
                f"nn.ModuleList(make() for make in {self.layouts[stage.path]})"
                if stage.layers
                else "nn.ModuleList()"
            )
        assert stage.component is not None
        return self.calls.call(stage.component.call(self.width), 8)

    def _forward(self) -> list[str]:
        result = "logits" if self._has_head() else "hidden states"
        lines = [
            "    def forward(",
            "        self, tokens: Tensor, state: dict[str, Any] | None = None, mask: Tensor | None = None",
            "    ) -> tuple[Tensor, dict[str, Any]]:",
            f'        """{result.capitalize()} and the state after tokens int64 [B, T].',
            "",
            "        state is what an earlier call returned, None at the start; mask bool [B, T] is true at real tokens.",  # noqa: E501
            '        """',
            "        state = state or {}",
        ]
        after: list[str] = []
        fused = False
        value = "tokens"
        for stage in self.plan.stages:
            if stage.role == "stack":
                if stage.layers:
                    if fused:
                        lines.append("        x = x + y")
                    fused = stage.path in self.fused
                    lines += _stack_lines(stage, fused)
                    after.append(stage.path)
            elif stage.role == "position":
                name = stage.path
                lines.append(f'        x, {name}_state = self.{name}(x, state.get("{name}"), mask)')
                after.append(name)
            elif fused and self.graph.node(stage.path).role == "add_norm":
                lines.append(f"        _, x = self.{stage.path}.add(x, y)")
                fused = False
            else:
                if fused:
                    lines.append("        x = x + y")
                    fused = False
                node = self.graph.node(stage.path)
                shape = self._shape(node)
                if stage.role == "head":
                    lines.append(f"        x = self.{stage.path}(x)  # [{shape}]")
                else:
                    lines.append(f"        x = self.{stage.path}({value})  # [{shape}]")
            value = "x"
        if fused:
            lines.append("        x = x + y")
        states = ", ".join(f'"{path}": {path}_state' for path in after)
        return [*lines, f"        return x, {{{states}}}"]

    def _shape(self, node: Node) -> str:
        sizes = {"d_model": self.width, "vocab_size": self.plan.sizes.vocab_size}
        shape = node.outputs[-1].shape or ()
        return ", ".join(str(sizes.get(str(size), size)) for size in shape)


def _stack_lines(stage: PlannedStage, fused: bool) -> list[str]:
    name = stage.path
    lines = [
        f'        before = state.get("{name}") or (None,) * len(self.{name})',
        f"        {name}_state: tuple[Any, ...] = ()",
    ]
    if fused:
        lines.append("        y = None")
    stream = "x, y" if fused else "x"
    return [
        *lines,
        f"        for layer, old in zip(self.{name}, before, strict=True):",
        f"            {stream}, new = layer({stream}, old, mask)",
        f"            {name}_state += (new,)",
    ]


def _formula(kind: BlockType) -> str:
    norm = type(kind.norm).__name__ if kind.norm is not None else ""
    mixer = type(kind.mixer).__name__
    if kind.residual == "post":
        return f"{norm}(x + {mixer}(x))" if norm else f"x + {mixer}(x)"
    inner = f"{mixer}({norm}(x))" if norm else f"{mixer}(x)"
    return f"x + {inner}" if kind.residual == "pre" else inner
