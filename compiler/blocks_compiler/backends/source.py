"""The source backend: a block graph as one readable PyTorch file that imports torch and nothing else.

The file is what the module backend runs, so what one reads is what one gets: the header names the
architecture, then come the classes it uses (the plugins' own text), one function a kind of block, the layout
with its repeats, and the model.
"""

from __future__ import annotations

import builtins
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blocks import BlockGraph, Call, Component, Plan
from blocks.fold import fold
from blocks.packing import lacking
from blocks.plan import BlockType, PlannedStage, PlannedStream
from blocks_compiler.backends.block_classes import (
    arguments,
    class_name,
    class_text,
    formula,
    memory_name,
    plain,
)
from blocks_compiler.backends.calls import Calls, brief
from blocks_compiler.backends.inline import Inliner
from blocks_compiler.backends.packed import refusal
from blocks_compiler.backends.share_lines import share_lines
from blocks_compiler.backends.stream_class import StreamClass, absences, lenders, letters, method_docstring
from blocks_compiler.backends.text import (
    WIDTH,
    camel,
    docstring,
    identifier,
    imported,
    imports,
    row,
    sum_of,
    terms,
    wrapped,
)

RUNTIME = "blocks_compiler.backends.runtime"
FUSED = "FusedBlock"
PACKED_STREAMS = (
    "Where all masks are int64 they number the documents packed in a row from 1 on, 0 at padding: each sees those of "
    "its number alone, and there is no state."
)
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
        self.classes: dict[BlockType, str] = {}
        self.class_texts: dict[str, str] = {}
        self.layouts = self._name_layouts()
        self._name_classes()
        self.makers = self._name_makers()

    def _is_fused(self, stage: PlannedStage) -> bool:
        """Whether every residual sum of a stack is left to the norm after it; the last one may stay."""
        if not stage.layers or any(plain(layer.type) != "PreNormBlock" for layer in stage.layers):
            return False
        norms = [f"{layer.path}.norm" for layer in stage.layers[1:]]
        if not norms:
            return f"{stage.layers[0].path}.add" not in self.graph
        return all(path in self.graph and self.graph.node(path).role == "add_norm" for path in norms)

    def _take_in_components(self) -> None:
        """Inline every class before anything is named, so that no name of a recipe hides one of theirs."""
        for kind in dict.fromkeys(layer.type for layer in self.layers):
            usual = self._usual(kind)
            if usual is not None:
                self.inliner.add(f"{RUNTIME}:{usual}")
                self._take_in(Call("torch.nn:Identity") if kind.norm is None else kind.norm.call(kind.width))
                self._take_in(kind.mixer.call(kind.width))
                continue
            for _, value in arguments(kind):
                if isinstance(value, Call):
                    self._take_in(value)
            if kind.join == "concat":
                self.inliner.imports.add("import torch")
        for stage in self.plan.stages:
            if stage.component is not None:
                self._take_in(stage.component.call(stage.width))
        self.inliner.add(f"{RUNTIME}:init_weights")
        self.inliner.imports |= {"from typing import Any", "from torch import Tensor", "from torch import nn"}
        if lacking(self.plan.streams):
            self.inliner.imports.add("import torch")

    def _take_in(self, call: Call) -> None:
        self.inliner.add(call.target)
        for value in (*call.args, *call.kwargs.values()):
            if isinstance(value, Call):
                self._take_in(value)

    def _taken(self) -> set[str]:
        """Names that the file needs for itself: what it defines, imports, and Python's own."""
        return {*self._taken_by_others(), *self.layouts.values(), *self.class_texts}

    def _taken_by_others(self) -> set[str]:
        return {*self.inliner.texts, *imported(self.inliner.imports), *dir(builtins), "torch"}

    def _name_layouts(self) -> dict[str, str]:
        """Path of a stack -> the constant that lists its blocks: LAYERS, or F_LAYOUT where F is taken."""
        taken = self._taken_by_others()
        names: dict[str, str] = {}
        for stage in self.plan.stages:
            if stage.layers:
                name = identifier(stage.path).upper()
                while name in taken or name in names.values():
                    name += "_LAYOUT"
                names[stage.path] = name
        return names

    def _usual(self, kind: BlockType) -> str | None:
        """The class in `runtime` of one kind of block; None where it gets one of its own."""
        for stage in self.plan.stages:
            if stage.path in self.fused and any(layer.type is kind for layer in stage.layers):
                return FUSED
        return plain(kind)

    def _name_classes(self) -> None:
        """A class for each structure of block: one of the plain ones, or a text of its own."""
        taken = self._taken()
        for kind in dict.fromkeys(layer.type for layer in self.layers):
            usual = self._usual(kind)
            if usual is not None:
                self.classes[kind] = usual
                continue
            base, count = class_name(kind), 1
            name = base
            while name in taken or self.class_texts.get(name, class_text(kind, name)) != class_text(
                kind, name
            ):
                count += 1
                name = f"{base}{count}"
            self.classes[kind] = name
            self.class_texts[name] = class_text(kind, name)

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
        streams = {
            stream.name: _free(camel(stream.name), taken) for stream in self.plan.streams if stream.name
        }
        name = _free(camel(self.plan.name), taken)
        makers = [self._maker(kind, maker) for kind, maker in self.makers.items()]
        written = [
            StreamClass(self.graph, s, self.calls, self.layouts, self.fused) for s in self.plan.streams
        ]
        models = [each.text(streams.get(each.stream.name, name)) for each in written]
        if streams:
            models.append(self._model(name, streams, written[-1]))
        init = self.inliner.add(f"{RUNTIME}:init_weights")
        texts = dict(self.inliner.texts)
        last = texts.pop(init)
        parts = [*texts.values(), *self.class_texts.values(), *makers, *self._layouts(), *models, last]
        head = f"{self._header()}\n{imports(self.inliner.imports)}\n"
        text = re.sub(r"\n{4,}", "\n\n\n", head + "".join(f"\n\n{part}" for part in parts))
        return Source(text, name)

    # The header

    def _header(self) -> str:
        plan = self.plan
        size = f"{len(self.layers)} blocks, d_model {self.width}, {plan.parameters:,} parameters"
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
                node = self.graph.node(stage.path)
                tied = (
                    ", tied to the embedding"
                    if node.ties
                    else f", shared with {node.shared}" * bool(node.shared)
                )
                rows.append((stage.path, brief(stage.component.call(stage.width)) + tied))
                continue
            pattern = "".join(layer.symbol for layer in stage.layers)
            rows.append((stage.path, f"{len(stage.layers)} blocks, {pattern}"))
            counts: dict[BlockType, int] = {}
            for layer in stage.layers:
                counts[layer.type] = counts.get(layer.type, 0) + 1
            for kind, count in counts.items():
                letter = next(layer.symbol for layer in stage.layers if layer.type is kind)
                words = ", ".join(brief(branch.mixer.call(kind.width)) for branch in kind.branches)
                shared = ", one set of parameters" if kind.share is not None else ""
                rows.append(("", f"{letter} {count} of {formula(kind, names=True)}, {words}{shared}"))
        left = max(len(name) for name, _ in rows)
        return [line for name, text in rows for line in row(name, text, left)]

    # Blocks

    def _maker(self, kind: BlockType, name: str) -> str:
        block = self.classes[kind]
        if kind not in self._own:
            norm = Call("torch.nn:Identity") if kind.norm is None else kind.norm.call(kind.width)
            words = [self.calls.call(norm, 8), self.calls.call(kind.mixer.call(kind.width), 8)]
        else:
            words = [
                f"{part}={self.calls.call(value, 8, len(part) + 1) if isinstance(value, Call) else repr(value)}"
                for part, value in arguments(kind)
            ]
        flat = f"    return {block}({', '.join(words)})"
        if len(flat) > WIDTH or "\n" in flat:
            flat = f"    return {block}(\n" + "".join(f"        {word},\n" for word in words) + "    )"
        about = "\n".join(docstring(formula(kind, names=True), "    "))
        return f"def {name}() -> {block}:\n{about}\n{flat}\n"

    @property
    def _own(self) -> set[BlockType]:
        """Kinds of block with a class of their own."""
        return {kind for kind, name in self.classes.items() if name in self.class_texts}

    # Layout

    def _layouts(self) -> list[str]:
        found = []
        for stage in self.plan.stages:
            if stage.layers:
                folded = terms(fold([self.makers[layer.type] for layer in stage.layers]))
                text = f"{self.layouts[stage.path]} = {sum_of(folded)}\n"
                if lent := lenders(stage):
                    pairs = ", ".join(f"{index}: {source}" for index, source in lent.items())
                    rows = textwrap.wrap(pairs, WIDTH - 4)
                    body = f"{{{pairs}}}" if len(rows) == 1 else "{\n    " + "\n    ".join(rows) + ",\n}"
                    about = "# block: the block whose keys and values it uses"
                    text += f"{self.layouts[stage.path]}_KV = {body}  {about}\n"
                found.append(text)
        return found

    # The model of several streams

    def _model(self, name: str, streams: Mapping[str, str], last: StreamClass) -> str:
        """The model that runs the streams: `model(source, target, state, source_mask, target_mask)`."""
        plan = self.plan
        called = dict(zip(streams, _inputs(plan.streams), strict=True))
        final = plan.streams[-1]
        target = called[final.name]
        output = "dict[str, Tensor]" if any(stage.name for stage in final.stages) else "Tensor"
        read: dict[str, list[str]] = {}
        for stream in plan.streams:
            read.setdefault(stream.inputs[0].what, []).append(called[stream.name])
        about = f"{_and([f'{what} of {_and(words)}' for what, words in read.items()]).capitalize()} to {last.result}"
        lines = [f"class {name}(nn.Module):", f'    """{about}."""', ""]
        lines += ["    def __init__(self) -> None:", "        super().__init__()"]
        lines += [f"        self.{stream} = {made}()" for stream, made in streams.items()]
        lines += [f"        {line}" for line in share_lines(self.graph)]
        lines += ["", "    def forward(", "        self,"]
        lines += [f"        {word}: Tensor{' | None' * (word != target)}," for word in called.values()]
        lines += ["        state: dict[str, Any] | None = None,"]
        lines += [f"        {word}_mask: Tensor | None = None," for word in called.values()]
        besides = {stream.name: stream.inputs[1:] for stream in plan.streams}
        lines += [
            f"        {called[stream]}_{each.name}: Tensor | None = None,"
            for stream, inputs in besides.items()
            for each in inputs
        ]
        result = last.result[0].upper() + last.result[1:]
        length = letters(plan)
        apart = lacking(plan.streams)
        others = _and([f"{called[s.name]} {s.inputs[0].describe(length[s.name])}" for s in plan.streams[:-1]])
        absent = [
            sentence
            for stream, inputs in besides.items()
            for sentence in absences(inputs, length[stream], f"{called[stream]}_")
        ]
        lines += [
            f"    ) -> tuple[{output}, dict[str, Any]]:",
            *method_docstring(
                f"{result} and the state after {target} {final.inputs[0].describe(length[final.name])}, which reads "
                f"{others}.",
                "state is what an earlier call returned, None at the start; once it is given, nothing is read of "
                f"{_and([called[s.name] for s in plan.streams[:-1]])}. Masks are true at real tokens.",
                *absent,
                *([] if apart else [PACKED_STREAMS]),
            ),
        ]
        lines += refusal(apart, [f"{word}_mask" for word in called.values()])
        for stream in plan.streams[:-1]:
            lines.append(f"        {memory_name(stream.name)}: tuple[Tensor, Tensor | None] | None = None")
        lines.append("        if state is None:")
        for stream in plan.streams[:-1]:
            word = called[stream.name]
            given = "".join(f", {memory_name(memory)}" for memory in stream.memories)
            given += "".join(f", {each.name}={word}_{each.name}" for each in besides[stream.name])
            lines += [
                f"            assert {word} is not None",
                f"            states, _ = self.{stream.name}({word}, None, {word}_mask{given})",
                f"            {memory_name(stream.name)} = (states, {word}_mask)",
            ]
        given = "".join(f", {memory_name(memory)}" for memory in final.memories)
        given += "".join(f", {each.name}={target}_{each.name}" for each in besides[final.name])
        value = "outputs" if output.startswith("dict") else "x"
        lines += [
            f"        {value}, after = self.{final.name}({target}, state, {target}_mask{given})",
            f"        return {value}, after",
        ]
        return "\n".join(lines) + "\n"


def _inputs(streams: Sequence[PlannedStream]) -> list[str]:
    """What the inputs of the streams are called: source and target, or like more than two streams."""
    if len(streams) == 2:
        return ["source", "target"]
    return [f"{stream.name}_{stream.inputs[0].name}" for stream in streams]


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _free(name: str, taken: set[str]) -> str:
    """A name for a class that nothing else has; it is taken then."""
    while name in taken:
        name += "Model"
    taken.add(name)
    return name
