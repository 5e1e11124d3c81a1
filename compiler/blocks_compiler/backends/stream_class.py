"""The class of one stream: its stages as attributes, and a forward pass that runs them in order."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from blocks import BlockGraph, Head, Input, Node, Plan
from blocks.packing import lacking
from blocks.plan import PlannedStage, PlannedStream
from blocks_compiler.backends.block_classes import memory_name, reads
from blocks_compiler.backends.calls import Calls
from blocks_compiler.backends.packed import refusal
from blocks_compiler.backends.share_lines import numbers, share_lines
from blocks_compiler.backends.text import WIDTH

PACKED = (
    "A mask of int64 numbers the documents packed in a row from 1 on, 0 at padding: they see nothing of each other, "
    "and there is no state."
)


class StreamClass:
    """Writes the class of one stream. `layouts` names the constants that list the blocks of its stacks.

    `fused` holds the paths of stacks whose residual sums are left to the norms after them.
    """

    def __init__(
        self,
        graph: BlockGraph,
        stream: PlannedStream,
        calls: Calls,
        layouts: Mapping[str, str],
        fused: set[str],
    ) -> None:
        self.graph, self.stream, self.calls = graph, stream, calls
        self.layouts, self.fused = layouts, fused
        self.plan: Plan = graph.graph["plan"]
        self.letters = letters(self.plan)
        self.letter = self.letters[stream.name]
        self.before = f"{stream.name}." if stream.name else ""
        self.memories = {memory_name(name): self.letters[name] for name in stream.memories}
        self.first, *self.besides = stream.inputs

    def text(self, name: str) -> str:
        """The text of the class under a name."""
        lines = [f"class {name}(nn.Module):", f'    """{self.summary}."""', ""]
        lines += ["    def __init__(self) -> None:", "        super().__init__()", *self._attributes()]
        if not self.stream.name:
            lines += [f"        {line}" for line in share_lines(self.graph)]
        return "\n".join([*lines, "", *self._forward()]) + "\n"

    @property
    def summary(self) -> str:
        """What goes in and what comes out."""
        return f"{self.first.what.capitalize()} to {self.result}"

    @property
    def result(self) -> str:
        """What comes out."""
        if any(stage.name for stage in self.stream.stages):
            return "the outputs of its heads by name"
        last = self.stream.stages[-1].component if self.stream.stages else None
        return last.gives if isinstance(last, Head) else "hidden states"

    def _attribute(self, stage: PlannedStage) -> str:
        return stage.path.removeprefix(self.before)

    # The constructor

    def _attributes(self) -> Iterator[str]:
        heads: dict[str, list[PlannedStage]] = {}
        for stage in self.stream.stages:
            name = self._attribute(stage)
            if stage.name:
                heads.setdefault(name.rpartition(".")[0], []).append(stage)
            elif stage.role == "stack":
                yield f"        self.{name} = nn.ModuleList(make() for make in {self.layouts[stage.path]})"
            else:
                yield f"        self.{name} = {self._call(stage, 8)}"
        for name, stages in heads.items():
            yield f"        self.{name} = nn.ModuleDict("
            yield "            {"
            yield from (f'                "{stage.name}": {self._call(stage, 16)},' for stage in stages)
            yield "            }"
            yield "        )"

    def _call(self, stage: PlannedStage, indent: int) -> str:
        assert stage.component is not None
        return self.calls.call(stage.component.call(stage.width), indent)

    # The forward pass

    def _forward(self) -> Iterator[str]:
        output = "dict[str, Tensor]" if any(stage.name for stage in self.stream.stages) else "Tensor"
        yield "    def forward("
        given = [
            f"{self.first.name}: Tensor",
            "state: dict[str, Any] | None = None",
            "mask: Tensor | None = None",
        ]
        given += [f"{name}: tuple[Tensor, Tensor | None] | None = None" for name in self.memories]
        given += [f"{each.name}: Tensor | None = None" for each in self.besides]
        if len(given) > 3:
            yield "        self,"
            yield from (f"        {argument}," for argument in given)
        else:
            yield f"        self, {', '.join(given)}"
        yield f"    ) -> tuple[{output}, dict[str, Any]]:"
        result = self.result[0].upper() + self.result[1:]
        said = [
            f"state is what an earlier call returned, None at the start; mask bool [B, {self.letter}] is true at "
            "real tokens."
        ]
        said += [
            f"{name} holds the states [B, {letter}, D] of that stream and their mask; a state has taken them in."
            for name, letter in self.memories.items()
        ]
        said += absences(self.besides, self.letter)
        apart = lacking([self.stream])
        said += [] if apart else [PACKED]
        read = f"{self.first.name} {self.first.describe(self.letter)}"
        yield from method_docstring(f"{result} and the state after {read}.", *said)
        if not self.stream.name:
            yield from refusal(apart, ["mask"])
        yield "        state = state or {}"
        yield from self._stages()

    def _stages(self) -> Iterator[str]:
        states: list[str] = []
        outputs: list[str] = []
        value, fused = self.first.name, False
        for stage in self.stream.stages:
            name, node = self._attribute(stage), None
            if stage.role != "stack":
                node = self.graph.node(stage.path)
            if fused:
                if node is not None and node.role == "add_norm":
                    yield f"        _, x = self.{name}.add(x, y)"
                    fused = False
                    continue
                yield "        x = x + y"
                fused = False
            if stage.role == "stack":
                fused = stage.path in self.fused
                yield from self._stack(stage, value)
                states.append(name)
                value = "x"
                continue
            assert node is not None
            if stage.role == "position":
                yield f'        x, {name}_state = self.{name}({value}, state.get("{name}"), mask)'
                states.append(name)
            elif stage.role == "head":
                mask = ", mask" if isinstance(stage.component, Head) and stage.component.takes_mask else ""
                if stage.name:
                    holder = name.rpartition(".")[0]
                    outputs.append(f'"{stage.name}": self.{holder}["{stage.name}"]({value}{mask})')
                    continue
                yield f"        x = self.{name}({value}{mask})  # [{self._shape(node)}]"
            else:
                embeds = stage is self.stream.stages[0] and stage.role == "embedding"
                given = "".join(f", {each.name}" for each in self.besides if embeds)
                yield f"        x = self.{name}({value}{given})  # [{self._shape(node)}]"
            value = "x"
        if fused:
            yield "        x = x + y"
        held = ", ".join(f'"{name}": {name}_state' for name in states)
        if outputs:
            yield "        outputs = {"
            yield from (f"            {output}," for output in outputs)
            yield "        }"
            value = "outputs"
        yield f"        return {value}, {{{held}}}"

    def _shape(self, node: Node) -> str:
        sizes: dict[str, int | str | None] = {
            "d_model": self.plan.sizes.d_model,
            "vocab_size": self.plan.sizes.vocab_size,
            "S": self.letter,
        }
        shape = node.outputs[-1].shape or ()
        return ", ".join(str(sizes.get(str(size), size)) for size in shape)

    def _stack(self, stage: PlannedStage, value: str) -> Iterator[str]:
        name = self._attribute(stage)
        fused = stage.path in self.fused
        if value != "x":
            yield f"        x = {value}"
        yield f'        before = state.get("{name}") or (None,) * len(self.{name})'
        yield f"        {name}_state: tuple[Any, ...] = ()"
        if fused:
            yield "        y = None"
        stream = "x, y" if fused else "x"
        given = self._given(stage)
        if not given:
            yield f"        for layer, old in zip(self.{name}, before, strict=True):"
            yield f"            {stream}, new = layer({stream}, old, mask)"
        else:
            yield f"        for i, (layer, old) in enumerate(zip(self.{name}, before, strict=True)):"
            if len(given) < WIDTH - 20:
                yield f"            given = {given}"
            else:
                yield "            given = ("
                yield from (
                    f"                {line}" for line in given.replace(" else ", "\nelse ").splitlines()
                )
                yield "            )"
            yield f"            {stream}, new = layer({stream}, old, mask, *given)"
        yield f"            {name}_state += (new,)"

    def _given(self, stage: PlannedStage) -> str:
        """What each block of a stack is given besides stream, state and mask, as an expression of its index i."""
        name = self._attribute(stage)
        memories: dict[tuple[str, ...], list[int]] = {}
        for index, layer in enumerate(stage.layers):
            if layer.type.memories:
                memories.setdefault(reads(layer.type), []).append(index)
        words = [
            f"({', '.join(read)}{',' * (len(read) == 1)}) if i in {numbers(found)}"
            for read, found in memories.items()
        ]
        if lenders(stage):
            words.append(
                f"({name}_state[{self.layouts[stage.path]}_KV[i]],) if i in {self.layouts[stage.path]}_KV"
            )
        return " else ".join([*words, "()"]) if words else ""


def letters(plan: Plan) -> dict[str, str]:
    """The length of each stream: T of the last one, S, S2, … of those that it may read, a number where it is fixed."""
    *others, last = plan.streams
    found = {each.name: f"S{index}" if index > 1 else "S" for index, each in enumerate(others, start=1)}
    found[last.name] = "T"
    return found | {each.name: str(each.length) for each in plan.streams if each.length is not None}


def absences(inputs: Sequence[Input], letter: str, before: str = "") -> Iterator[str]:
    """A sentence each about inputs that may be left out: `types int64 [B, T], None: type 0 everywhere.`"""
    for each in inputs:
        absent = f", None: {each.absent}" if each.absent else ""
        yield f"{before}{each.name} {each.describe(letter)}{absent}."


def method_docstring(summary: str, *said: str) -> Iterator[str]:
    """The lines of a method's docstring: a summary and further sentences, each on lines of its own."""
    room, indent = WIDTH - 8, " " * 8
    first, *rest = textwrap.wrap(f'"""{summary}', room, break_long_words=False)
    yield indent + first
    yield from (indent + line for line in rest)
    yield ""
    for sentence in said:
        for line in textwrap.wrap(sentence, room, break_long_words=False, break_on_hyphens=False):
            yield indent + line
    yield f'{indent}"""'


def lenders(stage: PlannedStage) -> dict[int, int]:
    """Index of a block -> index of the block whose keys and values it uses."""
    return {
        index: int(layer.kv_source.rpartition(".")[2])
        for index, layer in enumerate(stage.layers)
        if layer.kv_source is not None
    }
