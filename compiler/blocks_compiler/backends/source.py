"""The source backend: a block graph as one readable PyTorch file that imports torch and nothing else.

The file is what the module backend runs, so what one reads is what one gets: the header names the architecture,
then come the classes it uses (the plugins' own text), one function a kind of block, the layout with its repeats,
and the model.
"""

from __future__ import annotations

import ast
import json
import keyword
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from blocks import BlockGraph, BuildError, Call, Node, Plan
from blocks.plan import BlockType, Layer, PlannedStage
from blocks_compiler.backends.inline import Inliner, defaults
from blocks_compiler.fold import Folded, Repeat, fold

WIDTH = 110
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


class _Writer:
    def __init__(self, graph: BlockGraph) -> None:
        self.graph = graph
        self.plan: Plan = graph.graph["plan"]
        kernels: Mapping[str, tuple[str, str]] = graph.graph["kernels"]
        self.inliner = Inliner(replace=dict(kernels.values()))
        self.width = self.plan.sizes.d_model
        self.layers = self.plan.layers
        self.fused = self._fused_stacks()
        self.makers = self._name_makers()

    def _fused_stacks(self) -> set[str]:
        """Stacks whose residual sums are all left to the norms that follow."""
        nodes = {node.path: node for node in self.graph.walk()}
        return {
            stage.path
            for stage in self.plan.stages
            if stage.layers and not any(f"{layer.path}.add" in nodes for layer in stage.layers)
            and all(layer.type.residual == "pre" for layer in stage.layers)
        }  # fmt: skip

    def _name_makers(self) -> dict[BlockType, str]:
        """A function name for each kind of block: its name in the recipe, numbered where overrides made variants."""
        names: dict[BlockType, str] = {}
        taken = {"state", "mask", "tokens", "nn", "torch"}
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
        class_name = camel(self.plan.name)
        makers = [self._maker(kind, name) for kind, name in self.makers.items()]
        model = self._model(class_name)
        init = self.inliner.add(f"{RUNTIME}:init_weights")
        self.inliner.imports |= {"from typing import Any", "from torch import Tensor", "from torch import nn"}
        texts = dict(self.inliner.texts)
        last = texts.pop(init)
        if class_name in texts:
            raise BuildError.of("B0705", f"{self.plan.name} and one of its blocks share the class name {class_name}")
        parts = [*texts.values(), *makers, *self._layouts(), model, last]
        text = f'{self._header()}\n{imports(self.inliner.imports)}\n' + "".join(f"\n\n{part}" for part in parts)
        return Source(re.sub(r"\n{4,}", "\n\n\n", text), class_name)

    # The header

    def _header(self) -> str:
        plan, graph = self.plan, self.graph
        total = sum(node.cost.parameters(self.width) for node in graph.walk())
        lines = [f'"""{plan.name}: {len(self.layers)} blocks, d_model {self.width}, {total:,} parameters.', ""]
        if plan.about:
            lines += [*_wrapped(plan.about), ""]
        lines += self._stage_lines()
        lines += ["", LEGEND, f"Written from the recipe {plan.name} by `blocks eject`; edit it freely.", '"""']
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def _stage_lines(self) -> list[str]:
        rows: list[tuple[str, str]] = []
        for stage in self.plan.stages:
            if not stage.layers:
                assert stage.component is not None
                call = stage.component.construct(self.width)
                tied = ", tied to the embedding" if self.graph.node(stage.path).ties else ""
                rows.append((stage.path, _brief(call) + tied))
                continue
            rows.append((stage.path, f"{len(stage.layers)} blocks, {''.join(x.symbol for x in stage.layers)}"))
            counts: dict[BlockType, int] = {}
            for layer in stage.layers:
                counts[layer.type] = counts.get(layer.type, 0) + 1
            for kind, count in counts.items():
                letter = next(layer.symbol for layer in stage.layers if layer.type is kind)
                rows.append(("", f"{letter} {count} x {_formula(kind)}, {_brief(kind.mixer.construct(self.width))}"))
        left = max(len(name) for name, _ in rows)
        return [line for name, text in rows for line in _row(name, text, left)]

    # Blocks

    def _maker(self, kind: BlockType, name: str) -> str:
        fused = any(layer.type is kind for s in self.plan.stages if s.path in self.fused for layer in s.layers)
        block = self.inliner.add(f"{RUNTIME}:{BLOCKS['fused' if fused else kind.residual]}")
        norm = Call("torch.nn:Identity") if kind.norm is None else kind.norm.construct(self.width)
        inner = [self._call(norm, 8), self._call(kind.mixer.construct(self.width), 8)]
        flat = f"    return {block}({', '.join(inner)})"
        if len(flat) > WIDTH or "\n" in flat:
            flat = f"    return {block}(\n        {inner[0]},\n        {inner[1]},\n    )"
        return f'def {name}() -> {block}:\n    """{_formula(kind)}."""\n{flat}\n'

    def _call(self, call: Call, indent: int) -> str:
        """A constructor call on one line, or with a line an argument; arguments equal to defaults are left out."""
        name = self.inliner.add(call.target)
        known = defaults(call.target)
        pad = " " * (indent + 4)
        words = [self._value(value, indent + 4) for value in call.args]
        for key, value in call.kwargs.items():
            if key in known and known[key] == value and type(known[key]) is type(value):
                continue
            words.append(f"{key}={self._value(value, indent + 4)}")
        flat = f"{name}({', '.join(words)})"
        if indent + len(flat) < WIDTH - 8 and "\n" not in flat:
            return flat
        lines: list[str] = []
        for word in words:  # fill lines as a person would
            if lines and len(lines[-1]) + len(word) + 4 < WIDTH - indent and "\n" not in word:
                lines[-1] += f" {word},"
            else:
                lines.append(f"{word},")
        return f"{name}(\n" + "".join(f"{pad}{line}\n" for line in lines) + " " * indent + ")"

    def _value(self, value: object, indent: int) -> str:
        if isinstance(value, Call):
            return self._call(value, indent)
        return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)

    # Layout

    def _layouts(self) -> list[str]:
        found = []
        for stage in self.plan.stages:
            if stage.layers:
                terms = _terms(fold([self.makers[layer.type] for layer in stage.layers]))
                found.append(f"{stage.path.upper()} = {_sum(terms)}\n")
        return found

    # The model

    def _model(self, class_name: str) -> str:
        body = [f"class {class_name}(nn.Module):", f'    """{self._summary()}."""', ""]
        body += ["    def __init__(self) -> None:", "        super().__init__()"]
        for stage in self.plan.stages:
            body.append(f"        self.{stage.path} = {self._stage_value(stage)}")
            for own, other in self.graph.node(stage.path).ties if not stage.layers else ():
                body.append(f"        self.{stage.path}.{own} = self.{other}")
        body += ["", *self._forward()]
        return "\n".join(body) + "\n"

    def _summary(self) -> str:
        return "Token ids to logits" if self._has_head() else "Token ids to hidden states"

    def _has_head(self) -> bool:
        return any(stage.role == "head" for stage in self.plan.stages)

    def _stage_value(self, stage: PlannedStage) -> str:
        if stage.layers or stage.role == "stack":
            return f"nn.ModuleList(make() for make in {stage.path.upper()})" if stage.layers else "nn.ModuleList()"
        assert stage.component is not None
        return self._call(stage.component.construct(self.width), 8)

    def _forward(self) -> list[str]:
        result = "logits" if self._has_head() else "hidden states"
        lines = [
            "    def forward(",
            "        self, tokens: Tensor, state: dict[str, Any] | None = None, mask: Tensor | None = None",
            "    ) -> tuple[Tensor, dict[str, Any]]:",
            f'        """{result.capitalize()} and the state after tokens int64 [B, T].',
            "",
            "        state is what an earlier call returned, None at the start; mask bool [B, T] is true at real tokens.",
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
                lines.append(f'        x, {stage.path}_state = self.{stage.path}(x, state.get("{stage.path}"), mask)')
                after.append(stage.path)
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


# Names and layout of text ------------------------------------------------------------------------------------------


def identifier(name: str) -> str:
    """A Python name made of a recipe's name: `mamba-2` -> mamba_2."""
    text = re.sub(r"\W", "_", name, flags=re.ASCII)
    if not text or text[0].isdigit() or keyword.iskeyword(text):
        text = f"block_{text}"
    return text


def camel(name: str) -> str:
    """A class name made of a recipe's name: nemotron-h-8b -> NemotronH8B."""
    words = re.split(r"[^A-Za-z0-9]+", name)
    text = "".join(re.sub(r"(\d)([a-z])", lambda m: m[1] + m[2].upper(), w[:1].upper() + w[1:]) for w in words)
    return text if text and not text[0].isdigit() else f"Model{text}"


def _formula(kind: BlockType) -> str:
    norm = type(kind.norm).__name__ if kind.norm is not None else ""
    mixer = type(kind.mixer).__name__
    if kind.residual == "post":
        return f"{norm}(x + {mixer}(x))" if norm else f"x + {mixer}(x)"
    inner = f"{mixer}({norm}(x))" if norm else f"{mixer}(x)"
    return f"x + {inner}" if kind.residual == "pre" else inner


def _brief(call: Call) -> str:
    """`Linear(512, 256, bias=False)`: a call in the words of a header."""
    known = defaults(call.target)
    words = [str(value) for value in call.args]
    for key, value in call.kwargs.items():
        if value is None or (key in known and known[key] == value):
            continue
        words.append(f"{key}={_brief(value) if isinstance(value, Call) else value}")
    return f"{call.target.rpartition(':')[2]}({', '.join(words)})"


def _row(name: str, text: str, left: int) -> Iterable[str]:
    start = f"    {name:<{left}}  "
    room = WIDTH - len(start)
    while len(text) > room:
        cut = text.rfind(" ", 0, room)
        cut = room if cut <= 0 else cut
        yield start + text[:cut]
        text, start = text[cut:].lstrip(), " " * (left + 8)
        room = WIDTH - len(start)
    yield start + text


def _wrapped(text: str) -> list[str]:
    safe = text.replace("\\", "/").replace('"""', "'''")
    return [line for part in safe.splitlines() for line in textwrap.wrap(part, WIDTH) or [""]]


def _terms(folded: Folded[str]) -> list[str]:
    """`3 * [a, b]`, `[c]`: the terms of a sum of lists."""
    terms: list[str] = []
    plain: list[str] = []
    for item in folded:
        if isinstance(item, Repeat):
            if plain:
                terms.append(f"[{', '.join(plain)}]")
                plain = []
            inner = _terms(item.items)
            body = inner[0] if len(inner) == 1 and inner[0].startswith("[") else f"({' + '.join(inner)})"
            terms.append(f"{item.times} * {body}")
        else:
            plain.append(item)
    if plain:
        terms.append(f"[{', '.join(plain)}]")
    return terms


def _sum(terms: list[str]) -> str:
    flat = " + ".join(terms)
    if len(flat) < WIDTH - 20:
        return flat
    lines: list[str] = []
    for index, term in enumerate(terms):
        word = term if not index else f"+ {term}"
        if lines and len(lines[-1]) + len(word) + 5 < WIDTH and len(term) < WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "(\n" + "".join(f"    {line}\n" for line in lines) + ")"


def imports(statements: Iterable[str]) -> str:
    """Import statements merged by module and sorted as isort does: the standard library, then the rest."""
    plain: set[str] = set()
    members: dict[str, set[str]] = {}
    for statement in statements:
        node = ast.parse(statement).body[0]
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None
            members.setdefault(node.module, set()).update(ast.unparse(alias) for alias in node.names)
        else:
            plain.add(statement)
    lines = sorted(plain, key=lambda s: s.split()[1])
    lines += [f"from {module} import {', '.join(sorted(members[module], key=_member))}" for module in sorted(members)]
    third = [line for line in lines if not _is_stdlib(line)]
    return "\n".join([*(x for x in lines if x not in third), "", *third]).strip("\n") + "\n"


def _is_stdlib(line: str) -> bool:
    return line.split()[1].split(".")[0] in sys.stdlib_module_names


def _member(name: str) -> tuple[int, str]:
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, name
