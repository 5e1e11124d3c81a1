"""The words of a comparison, for the terminal and for a pull request: places, layouts, costs and their change."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from blocks.fold import Folded, Repeat, fold
from blocks.polynomial import Number
from blocks_compiler import units
from blocks_compiler.compare import Change, Comparison, Option
from blocks_compiler.facts import Item

SIGNS = {"changed": "~", "added": "+", "removed": "-", "moved": ">"}
MINUS = "\N{MINUS SIGN}"
_INDEXED = re.compile(r"(.+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class CostRow:
    """One cost on both sides, as written."""

    name: str
    old: str
    new: str
    change: str
    share: str


def cost_rows(comparison: Comparison) -> Iterator[CostRow]:
    """Parameters, FLOPs and state of both."""
    old, new = comparison.costs
    context = units.tokens(comparison.context)
    yield _row("parameters", old.parameters, new.parameters, "{:,}".format)
    yield _row(f"FLOPs a token, forward at {context}", old.forward, new.forward, units.flops)
    yield _row(f"FLOPs a token, decoding at {context}", old.decode, new.decode, units.flops)
    yield _row(f"state at {context}, bfloat16", old.state_bytes, new.state_bytes, units.size)


def _row(name: str, old: Number, new: Number, write: units.Writer) -> CostRow:
    if old == new:
        return CostRow(name, write(old), write(new), "", "")
    share = float(abs(Fraction(new - old)) * 100 / Fraction(old)) if old else 0.0
    shown = f"{share:.1f}" if share >= 0.1 else f"{share:.1g}"
    return CostRow(
        name, write(old), write(new), signed(new - old, write), f"{_sign(new - old)}{shown}%" if old else ""
    )


def signed(value: Number, write: units.Writer) -> str:
    """A difference with its sign."""
    return _sign(value) + write(max(value, -value))


def _sign(value: Number) -> str:
    return MINUS if value < 0 else "+"


def parameters(change: Change) -> str:
    """What a change adds to the parameters, or takes away; empty where that is nothing."""
    return signed(change.parameters, units.count) if change.parameters else ""


def title(change: Change) -> str:
    """What changed: `24 × mamba2`, or the name alone of a stage."""
    names = dict.fromkeys(made.name for made in (change.before, change.after) if made is not None)
    text = " → ".join(names)
    return f"{change.count:,} × {text}" if change.item.role == "block" else text


def where(change: Change, most: int | None = None) -> str:
    """The places, at most so many runs of them; on both sides where one block or stage stands elsewhere now."""
    old, new = places(change.old_paths, most), places(change.new_paths, most)
    elsewhere = change.old_paths != change.new_paths and (change.kind == "moved" or change.count == 1)
    return f"{old} → {new}" if old and new and elsewhere else new or old


def places(paths: Sequence[str], most: int | None = None) -> str:
    """Paths in short, at most so many runs of them: `layers.0, 2, …, 50`, `layers.3–7`."""
    parts: list[str] = []
    last = ""
    for prefix, text in _segments(paths):
        parts.append(text if prefix == last or not prefix else f"{prefix}.{text}")
        last = prefix
    if most is not None and len(parts) > most:
        parts = [*parts[:most], "…"]
    return ", ".join(parts)


def _segments(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Paths by what comes before the index: single ones, and three or more at equal distances together."""
    at = 0
    split = [_INDEXED.fullmatch(path) for path in paths]
    while at < len(paths):
        match = split[at]
        if match is None:
            yield "", paths[at]
            at += 1
            continue
        prefix, indices = match[1], [int(match[2])]
        for following in split[at + 1 :]:
            if following is None or following[1] != prefix:
                break
            index = int(following[2])
            if len(indices) > 1 and index - indices[-1] != indices[1] - indices[0]:
                break
            indices.append(index)
        if len(indices) < 3:
            indices = indices[:1]
        at += len(indices)
        first, final = indices[0], indices[-1]
        if len(indices) == 1:
            yield prefix, str(first)
        elif indices[1] == first + 1:
            yield prefix, f"{first}–{final}"
        elif len(indices) == 3:
            yield prefix, f"{first}, {indices[1]}, {final}"
        else:
            yield prefix, f"{first}, {indices[1]}, …, {final}"


def told(options: Sequence[Option]) -> tuple[list[Option], str, str]:
    """Options with a value on both sides; those that are gone and those that are new, in words."""
    both = [option for option in options if option.old is not None and option.new is not None]
    gone = [(option.name, option.old) for option in options if option.new is None and option.old is not None]
    come = [(option.name, option.new) for option in options if option.old is None and option.new is not None]
    return both, _words(gone), _words(come)


def described(item: Item) -> str:
    """What a block is, in words."""
    own = {item.role, "mixer"}
    facts = [(fact.name, fact.text) for fact in item.facts if fact.notable and fact.name not in own]
    return _words(facts, (" + ".join(item.mixers),))


def _words(facts: Sequence[tuple[str, str]], first: Sequence[str] = ()) -> str:
    """`n_heads 32, qkv_bias`; what is absent or off is left out."""
    said = (
        name if text == "true" else f"{name} {text}" for name, text in facts if text not in ("none", "false")
    )
    return ", ".join([*first, *said])


def layout(names: Sequence[str]) -> str:
    """Blocks in order, with their repeats: `24 × [mamba2, ffn], attention`."""
    return _folded(fold(names))


def _folded(items: Folded[str]) -> str:
    return ", ".join(
        f"{item.times} × {_group(item.items)}" if isinstance(item, Repeat) else item for item in items
    )


def _group(items: Folded[str]) -> str:
    alone = len(items) == 1 and isinstance(items[0], str)
    return _folded(items) if alone else f"[{_folded(items)}]"
