"""A comparison as Markdown for a pull request. Text from recipes is escaped: it makes no markup and calls nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from blocks.render import plain
from blocks_compiler.backends.comparison import (
    SIGNS,
    CostRow,
    cost_rows,
    described,
    layout,
    parameters,
    title,
    told,
    where,
)
from blocks_compiler.compare import Change, Comparison, Option

_SAFE = re.compile(r"[A-Za-z0-9_.+:/ ,-]+")
_MARKUP = re.compile(r"[\\`*\[\]#|<>&@~$:]|(?<!\w)_|_(?!\w)|(?<=www)\.", re.IGNORECASE)


def comparison_markdown(comparison: Comparison) -> str:
    """The comparison: what it costs, what changed, and folded away where."""
    return "\n".join(_lines(comparison)) + "\n"


def escaped(text: str) -> str:
    """Text as it is: no markup, HTML, link or mention comes of it."""
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", plain(text))


def code(text: str) -> str:
    """Text in the type of code where that is safe."""
    return f"`{text}`" if _SAFE.fullmatch(text) and text == text.strip() else escaped(text)


def _lines(comparison: Comparison) -> Iterator[str]:
    old, new = comparison.names
    if comparison.same:
        otherwise = ", trained otherwise" if comparison.training else ""
        yield f"**{code(old)} and {code(new)} are the same architecture{otherwise}.**"
        yield from _training(comparison.training)
        return
    yield f"### {code(old)} → {code(new)}"
    yield ""
    yield from _costs(list(cost_rows(comparison)), comparison.sizes)
    if comparison.changes or comparison.ties:
        yield ""
        yield "| | what | change | parameters |"
        yield "|:-:|---|---|--:|"
        for change in comparison.changes:
            yield f"| {SIGNS[change.kind]} | {_title(change)} | {_what(change)} | {parameters(change)} |"
        for tie in comparison.ties:
            yield f"| ~ | tied weights | {_option(tie)} | |"
    yield from _training(comparison.training)
    if comparison.layouts[0] != comparison.layouts[1]:
        yield from _folded_away(
            "The blocks in order",
            [
                f"- {code(name)}: {escaped(layout(names))}"
                for name, names in zip((old, new), comparison.layouts, strict=True)
            ],
        )
    if any(change.count > 1 or change.kind != "changed" for change in comparison.changes):
        rows = [
            f"| {SIGNS[change.kind]} | {_title(change)} | {escaped(where(change))} |"
            for change in comparison.changes
        ]
        yield from _folded_away("Where", ["| | what | where |", "|:-:|---|---|", *rows])


def _training(options: Sequence[Option]) -> Iterator[str]:
    if options:
        yield from ("", "| training | old | new |", "|---|---|---|")
        yield from (
            f"| {escaped(one.name)} | {escaped(one.old or 'none')} | {escaped(one.new or 'none')} |"
            for one in options
        )


def _costs(rows: Sequence[CostRow], sizes: Sequence[Option]) -> Iterator[str]:
    yield "| | old | new | change |"
    yield "|---|--:|--:|--:|"
    for size in sizes:
        yield f"| {code(size.name)} | {escaped(size.old or 'none')} | **{escaped(size.new or 'none')}** | |"
    for row in rows:
        share = f" ({row.share})" if row.share else ""
        change = f"**{row.change}**{share}" if row.change else "="
        yield f"| {row.name} | {row.old} | {row.new} | {change} |"


def _title(change: Change) -> str:
    return f"**{escaped(title(change))}**"


def _what(change: Change) -> str:
    if change.kind == "moved":
        return escaped(where(change))
    if change.kind != "changed":
        return f"{change.kind}: {escaped(described(change.item))}"
    both, gone, come = told(change.options)
    parts = [_option(option) for option in both]
    parts += [f"gone: {escaped(gone)}"] if gone else []
    parts += [f"new: {escaped(come)}"] if come else []
    return "<br>".join(parts)


def _option(option: Option) -> str:
    return f"{code(option.name)} {escaped(option.old or 'none')} → **{escaped(option.new or 'none')}**"


def _folded_away(summary: str, lines: Sequence[str]) -> Iterator[str]:
    yield ""
    yield f"<details><summary>{summary}</summary>"
    yield ""
    yield from lines
    yield ""
    yield "</details>"
