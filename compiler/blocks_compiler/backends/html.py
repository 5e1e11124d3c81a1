"""Reports and plans as HTML tables, for notebooks. Text from recipes is escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from blocks_compiler import units
from blocks_compiler.describe import block_options, sentence
from blocks_compiler.sizes import ParameterCounts

if TYPE_CHECKING:
    from blocks import Plan
    from blocks_compiler.backends.report import Costs, Report

HEADINGS = ("block", "mixer", "count", "parameters", "share", "forward", "train", "decode", "state")


def report_html(report: Report) -> str:
    """The report as a table, one row for each kind of block."""
    from blocks_compiler.backends.report import conventions

    total = report.total
    rows = [
        (kind.block or kind.role, kind.component, f"{kind.count:,} ×", *_numbers(kind.costs, total))
        for kind in report.kinds
    ]
    rows.append(("total", "", "", *_numbers(total, total)))
    title = f"{report.name}: {total.parameters:,} parameters, {report.context:,} tokens of context"
    return f"{_table(title, HEADINGS, rows)}<p><small>{escape(conventions(report))}</small></p>"


def plan_html(plan: Plan) -> str:
    """The kinds of block of a plan as a table, and its pattern."""
    sizes = ParameterCounts(plan)
    counts = Counter(layer.type for layer in plan.layers)
    letters = {layer.type: layer.symbol for layer in plan.layers}
    rows = [
        (letters[block], block.name, block.mixer.name, sentence(block_options(plan, block)), f"{count:,} ×",
         units.percent(count, len(plan.layers)), units.count(sizes.block[block]))
        for block, count in counts.items()
    ]  # fmt: skip
    title = f"{plan.name}: {sizes.total:,} parameters, {len(plan.layers):,} blocks"
    table = _table(title, ("", "block", "mixer", "options", "count", "share", "each"), rows)
    return f"{table}<p><code>{escape(plan.pattern[:1000])}{'…' * (len(plan.pattern) > 1000)}</code></p>"


def _numbers(costs: Costs, total: Costs) -> Iterable[str]:
    yield units.count(costs.parameters)
    yield units.percent(costs.parameters, total.parameters)
    yield from (units.flops(value) for value in (costs.forward, costs.train, costs.decode))
    yield units.size(costs.state_bytes)


def _table(title: str, headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
