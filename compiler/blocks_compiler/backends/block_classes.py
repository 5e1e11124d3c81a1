"""The classes of blocks, written as a person would write each: only what the block has is in its text.

The three plain ones stand in `runtime`. Every other structure (sandwich norms, factors, several mixers in parallel,
memories, borrowed keys and values, adapters) gets a class of its own.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator

from blocks import Call, Norm
from blocks.blocktype import BlockType, Branch
from blocks_compiler.backends.text import WIDTH, camel, docstring

PLAIN = {"pre": "PreNormBlock", "post": "PostNormBlock", "none": "PlainBlock"}
LAYER_SCALE = "blocks_compiler.backends.runtime:LayerScale"
_LOCAL = re.compile(
    r"[a-z]|after|before|given|kv|layer|mask|new|nn|old|outputs|pixels|self|source|state|states|target|tokens|torch"
    r"|types|.*_(state|mask|pixels|tokens|types)"
)
"""Variables of the classes of blocks and streams."""
_RESIDUALS = {"pre": "PreNorm", "post": "PostNorm", "sandwich": "Sandwich", "none": "Plain"}


def plain(kind: BlockType) -> str | None:
    """The class of `runtime` that a kind of block needs, if it is one of the plain ones."""
    usual = (
        kind.residual in PLAIN
        and not kind.join
        and kind.out_norm is None
        and (kind.scale, kind.layer_scale, _alpha(kind)) == (1.0, None, 1.0)
        and kind.adapter is None
        and not kind.memories
        and kind.kv_from is None
    )
    return PLAIN[kind.residual] if usual else None


def memory_name(stream: str) -> str:
    """The variable that holds what is read of a stream: its name, where that means nothing else."""
    taken = _LOCAL.fullmatch(stream) or stream in dir(builtins)
    return f"{stream}_memory" if taken else stream


def reads(kind: BlockType) -> tuple[str, ...]:
    """The names of what a block is given besides stream, state and mask."""
    return ("kv",) if kind.kv_from is not None else tuple(map(memory_name, kind.memories))


def class_name(kind: BlockType) -> str:
    """What to call the class of a structure: PreNormCrossBlock; a parallel one is called like its block."""
    if kind.join:
        return f"{camel(kind.name)}Block"
    features = {
        "OutNorm": kind.out_norm is not None and kind.residual != "sandwich",
        "Scaled": (kind.scale, kind.layer_scale, _alpha(kind)) != (1.0, None, 1.0),
        "Adapted": kind.adapter is not None,
        "Cross": bool(kind.memories),
        "Borrowing": kind.kv_from is not None,
    }
    return f"{_RESIDUALS[kind.residual]}{''.join(word for word, has in features.items() if has)}Block"


def class_text(kind: BlockType, name: str) -> str:
    """The text of the class for the structure of a kind of block."""
    found = [(part, "float" if isinstance(value, float) else "nn.Module") for part, value in arguments(kind)]
    signature = ", ".join(f"{part}: {what}" for part, what in found)
    head = f"    def __init__(self, {signature}) -> None:"
    if len(head) > WIDTH:
        head = "    def __init__(\n        self,\n" + "".join(
            f"        {part}: {what},\n" for part, what in found
        )
        head += "    ) -> None:"
    lines = [
        f"class {name}(nn.Module):",
        *docstring(formula(kind), "    "),
        "",
        head,
        "        super().__init__()",
    ]
    lines += [f"        self.{part} = {part}" for part, _ in found]
    return "\n".join([*lines, "", *_forward(kind)]) + "\n"


def _alpha(kind: BlockType) -> float:
    """The factor of the stream; without a residual there is no sum that it could be in."""
    return 1.0 if kind.residual == "none" else kind.alpha


def _before(kind: BlockType, branch: Branch) -> str:
    return f"{branch.name}_" if kind.join else ""


def arguments(kind: BlockType) -> Iterator[tuple[str, Call | float]]:
    """The constructor's arguments, in order: attributes with the modules or numbers that they hold."""
    if kind.norm is not None:
        yield "norm", kind.norm.call(kind.width)
    for branch in kind.branches:
        before, out = _before(kind, branch), branch.mixer.out_width(kind.width)
        if branch.norm is not None:
            yield f"{before}norm", branch.norm.call(kind.width)
        yield branch.name, branch.mixer.call(kind.width)
        yield from _around(before, branch.out_norm, branch.scale, branch.layer_scale, out)
    if kind.join == "concat":
        yield "join", Call("torch.nn:Linear", (kind.joined_width, kind.out_width), {"bias": False})
    if kind.adapter is not None:
        yield "adapter", kind.adapter.call(kind.width)
    yield from _around("", kind.out_norm, kind.scale, kind.layer_scale, kind.out_width)
    if _alpha(kind) != 1:
        yield "alpha", kind.alpha


def _around(
    before: str, norm: Norm | None, scale: float, layer_scale: float | None, width: int
) -> Iterator[tuple[str, Call | float]]:
    if norm is not None:
        yield f"{before}out_norm", norm.call(width)
    if scale != 1:
        yield f"{before}scale", scale
    if layer_scale is not None:
        yield f"{before}layer_scale", Call(LAYER_SCALE, (width, layer_scale))


def _forward(kind: BlockType) -> Iterator[str]:
    given = reads(kind)
    extra = "".join(f", {name}: Any = None" for name in given)
    inputs = f"self, x: Tensor, state: Any = None, mask: Tensor | None = None{extra}"
    if len(inputs) <= WIDTH - 41:
        yield f"    def forward({inputs}) -> tuple[Tensor, Any]:"
    else:
        yield "    def forward("
        yield f"        {inputs}"
        yield "    ) -> tuple[Tensor, Any]:"
    inner = "x"
    if kind.norm is not None and kind.residual != "post":
        inner = "self.norm(x)"
        if kind.join or kind.adapter is not None:
            yield "        h = self.norm(x)"
            inner = "h"
    if kind.join:
        yield f"        old = (None,) * {len(kind.branches)} if state is None else state"
    for index, branch in enumerate(kind.branches):
        yield from _branch_lines(kind, branch, index, inner)
    state = "state"
    if kind.join:
        state = f"({', '.join(f'{branch.name}_state' for branch in kind.branches)})"
        yield f"        y = {_joined(kind)}"
    if kind.adapter is not None:
        yield f"        y = y + self.adapter({inner}, None, mask)[0]"
    update = "y"
    if kind.out_norm is not None:
        update = f"self.out_norm({update})"
    if kind.scale != 1:
        update = f"self.scale * {update}"
    if kind.layer_scale is not None:
        update = f"self.layer_scale({update})"
    if kind.residual != "none":
        update = f"{'self.alpha * x' if kind.alpha != 1 else 'x'} + {update}"
    if kind.residual == "post" and kind.norm is not None:
        update = f"self.norm({update})"
    yield f"        return {update}, {state}  # [B, T, D]"


def _branch_lines(kind: BlockType, branch: Branch, index: int, inner: str) -> Iterator[str]:
    before = _before(kind, branch)
    source = "x" if branch.unnormed else inner
    if branch.norm is not None:
        source = f"self.{before}norm(x)"
    given = ["kv"] if kind.kv_from is not None else []
    if branch.memory is not None:
        given = [memory_name(branch.memory)]
    if not kind.join:
        words = ", ".join([source, "state", "mask", *given])
        yield f"        y, state = self.{branch.name}({words})"
        return
    words = ", ".join([source, f"old[{index}]", "mask", *given])
    yield f"        {branch.name}, {branch.name}_state = self.{branch.name}({words})"
    value = branch.name
    if branch.out_norm is not None:
        value = f"self.{before}out_norm({value})"
    if branch.scale != 1:
        value = f"self.{before}scale * {value}"
    if branch.layer_scale is not None:
        value = f"self.{before}layer_scale({value})"
    if value != branch.name:
        yield f"        {branch.name} = {value}"


def _joined(kind: BlockType) -> str:
    names = [branch.name for branch in kind.branches]
    if kind.join == "concat":
        return f"self.join(torch.cat(({', '.join(names)}), dim=-1))"
    total = " + ".join(names)
    return total if kind.join == "sum" else f"({total}) / {len(names)}"


def formula(kind: BlockType, *, names: bool = False) -> str:
    """What a block computes: `x + out_norm(mixer(norm(x)))`; with `names`, of its own components."""

    def called(part: str, component: object) -> str:
        return type(component).__name__ if names else part

    inner = "x"
    if kind.norm is not None and kind.residual != "post":
        inner = f"{called('norm', kind.norm)}(x)"
    parts = []
    for branch in kind.branches:
        source = "x" if branch.unnormed else inner
        if branch.norm is not None:
            source = f"{called('norm', branch.norm)}(x)"
        part = f"{called(branch.name, branch.mixer)}({source})"
        if branch.out_norm is not None:
            part = f"{called('out_norm', branch.out_norm)}({part})"
        if branch.scale != 1:
            part = f"{branch.scale:.4g} {part}" if names else f"scale * {part}"
        if branch.layer_scale is not None:
            part = f"layer_scale({part})"
        parts.append(part)
    text = parts[0]
    if kind.join:
        text = f"concat({', '.join(parts)}) W" if kind.join == "concat" else " + ".join(parts)
        text = f"({text}) / {len(parts)}" if kind.join == "mean" else text
    if kind.adapter is not None:
        text = f"{text} + {called('adapter', kind.adapter)}({inner})"
    factors = kind.scale != 1 or kind.layer_scale is not None
    if kind.out_norm is not None:
        text = f"{called('out_norm', kind.out_norm)}({text})"
    elif factors and (kind.adapter is not None or kind.join == "sum"):
        text = f"({text})"
    if kind.scale != 1:
        text = f"{kind.scale:.4g} {text}" if names else f"scale * {text}"
    if kind.layer_scale is not None:
        text = f"layer_scale({text})"
    if kind.residual == "none":
        return text
    stream = "x" if kind.alpha == 1 else f"{kind.alpha:.4g} x" if names else "alpha * x"
    text = f"{stream} + {text}"
    return (
        f"{called('norm', kind.norm)}({text})" if kind.residual == "post" and kind.norm is not None else text
    )
