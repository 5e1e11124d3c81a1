"""`blocks cost`: parameters, FLOPs a token and state, of one recipe or of several side by side."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blocks import UsageError
from blocks.command import Command
from blocks_compiler import compile_plan, units
from blocks_compiler.backends.report import ITEMSIZE, Costs, Meter, Report, conventions
from blocks_compiler.commands import cost_memory
from blocks_compiler.commands.cost_memory import Fit
from blocks_compiler.commands.options import add_json, add_recipe, count, plan_of
from blocks_compiler.commands.page import Cell, Page, Table
from blocks_compiler.families import family

DEFAULT_CONTEXT = "4096"
NARROW = 88
"""Below so many columns the table leaves out the shares."""


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_recipe(parser, many=True)
    parser.add_argument(
        "--context",
        metavar="N|A..B",
        help=f"tokens, such as 8192 or 128k, or a range 1k..1M (default: {DEFAULT_CONTEXT})",
    )
    parser.add_argument(
        "--batch", default="1", metavar="B", help="sequences that hold state at once (default: 1)"
    )
    parser.add_argument(
        "--dtype",
        choices=ITEMSIZE,
        default="bfloat16",
        help="of the state, and with --gpus of weights and activations (default: bfloat16)",
    )
    parser.add_argument(
        "--blocks", action="store_true", help="a row for each block, not for each kind of block"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="plot into .svg, .png or .pdf")
    cost_memory.configure(parser)
    add_json(parser)


def run(args: Namespace) -> int:
    """Run the command; returns the exit code."""
    contexts = series(args.context or ("1k..1M" if args.output else DEFAULT_CONTEXT))
    batch = count(args.batch, "--batch")
    cluster = cost_memory.asked(args)
    if cluster is not None and len(contexts) > 1:
        raise UsageError.of(
            "B0805", "--gpus is for one context, and --context is a range", help="--context 8k"
        )
    graphs = [
        compile_plan(plan_of(name, args), registry=args.registry, kernels="reference")
        for name in args.recipes
    ]
    meters = [Meter(graph, batch=batch, dtype=args.dtype) for graph in graphs]
    if args.output is not None:
        from blocks_compiler.backends.plot import plot

        plot(meters, contexts, args.output)
    fits = [] if cluster is None else [Fit(graph, contexts[0], cluster, args, batch) for graph in graphs]
    if args.json:
        found = as_json(meters, contexts)
        for report, fit in zip(found if isinstance(found, list) else [found], fits, strict=bool(fits)):
            report["memory"] = fit.as_json()
        print(json.dumps(found, indent=2))
        return 0
    page = Page(color=args.color)
    if fits:
        for number, fit in enumerate(fits):
            if number:
                page.line()
            fit.show(page)
        return 0
    report = next((meter for meter in meters if not meter.fixed), meters[0]).report(contexts[0])
    if len(meters) == len(contexts) == 1:
        _one(page, meters[0], report, each=args.blocks)
    else:
        _many(page, meters, contexts)
    page.line()
    page.text(_footnote(report, len(contexts) > 1), "dim")
    if not report.fixed:
        for meter in meters:
            if meter.fixed:
                page.text(
                    f"The input of {meter.plan.name} makes {meter.fixed:,} tokens at every context.", "dim"
                )
    if args.output is not None:
        page.line()
        page.line("plotted in ", Cell(str(args.output), "bold"))
    return 0


def as_json(meters: Sequence[Meter], contexts: Sequence[int]) -> Any:
    """One report as an object; several, by recipe or context, as a list of them that say which they are."""
    if len(meters) == len(contexts) == 1:
        return meters[0].report(contexts[0]).as_json()
    return [
        {"recipe": meter.plan.name, "context": context, **meter.report(context).as_json()}
        for meter in meters
        for context in contexts
    ]


def series(text: str) -> list[int]:
    """The contexts of `8k`, or of a range `1k..1M`: powers of two where both ends are, else 1, 2, 5, 10 …

    Raises UsageError.
    """
    first, dots, last = text.partition("..")
    start = count(first, "--context")
    if not dots:
        return [start]
    stop = count(last, "--context")
    if stop < start:
        raise UsageError.of("B0805", f"--context {text!r} runs backwards", help=f"write {last}..{first}")
    if start & (start - 1) == 0 and stop & (stop - 1) == 0:
        steps = [1 << power for power in range(start.bit_length() - 1, stop.bit_length())]
    else:
        steps = [digit * 10**power for power in range(len(str(stop))) for digit in (1, 2, 5)]
    return [start, *(step for step in steps if start < step < stop), *([stop] if stop > start else [])]


# One recipe ----------------------------------------------------------------------------------------------------------


def _one(page: Page, meter: Meter, report: Report, *, each: bool) -> None:
    total = report.total
    page.line(
        Cell(report.name, "title"), "   ", Cell(f"{total.parameters:,}", "bold"), Cell(" parameters", "dim"), "   ",
        Cell(f"{report.context:,}", "bold"), Cell(f" token{'s' * (report.context != 1)} of context", "dim"),
    )  # fmt: skip
    page.line()
    narrow = page.width is not None and page.width < NARROW
    numbers = ("params", *(() if narrow else ("share",)), "forward", "train", "decode", "state")
    colors = (
        {layer.type.name: family(layer.type.mixer) for layer in meter.plan.layers}
        if meter.plan.layers
        else {}
    )
    if each:
        table = Table(("path", "block", "mixer", *numbers), "<<<" + ">" * len(numbers), ("mixer", "block"))
        for row in report.rows:
            name = Cell(row.block or row.role, colors.get(row.block, ""))
            table.add(row.path, name, row.component, *_numbers(row.costs, total, narrow))
    else:
        table = Table(("block", "mixer", "count", *numbers), "<<>" + ">" * len(numbers), ("mixer", "block"))
        for kind in report.kinds:
            name = Cell(kind.block or kind.role, colors.get(kind.block, ""))
            table.add(name, kind.component, f"{kind.count:,} ×", *_numbers(kind.costs, total, narrow))
    table.add(None)
    table.add(Cell("total", "bold"), "", "", *(Cell(text, "bold") for text in _numbers(total, total, narrow)))
    page.table(table, indent=0)


def _numbers(costs: Costs, total: Costs, narrow: bool) -> list[str]:
    flops = (costs.forward, costs.train, costs.decode)
    return [
        units.count(costs.parameters) if costs.parameters else "-",
        *([] if narrow else [units.percent(costs.parameters, total.parameters)]),
        *(units.flops(value).removesuffix("FLOP") if value else "-" for value in flops),
        units.size(costs.state_bytes) if costs.state_bytes else "-",
    ]


# Several -------------------------------------------------------------------------------------------------------------


def _many(page: Page, meters: Sequence[Meter], contexts: Sequence[int]) -> None:
    names = [meter.plan.name for meter in meters]
    totals = [[meter.total(context) for context in contexts] for meter in meters]
    page.line(Cell("parameters", "bold"))
    wide = max(map(len, names))
    for name, costs in zip(names, totals, strict=True):
        page.line(f"{name:<{wide}}  {costs[0].parameters:>17,}", indent=2)
    tables = (
        ("state", [[units.size(c.state_bytes) for c in costs] for costs in totals]),
        ("FLOPs a token, decoding", [[units.flops(c.decode) for c in costs] for costs in totals]),
        ("FLOPs a token, forward", [[units.flops(c.forward) for c in costs] for costs in totals]),
    )
    for title, values in tables:
        page.line()
        page.line(Cell(title, "bold"))
        table = Table(("context", *names), "<" + ">" * len(names), names)
        for at, context in enumerate(contexts):
            table.add(units.tokens(context), *(column[at] for column in values))
        page.table(table)


def _footnote(report: Report, ranged: bool) -> str:
    text = conventions(report)
    return text.replace(f"{report.context:,} tokens", "each context") if ranged else text


COMMAND = Command(
    summary="Parameters, FLOPs a token and state bytes, of one recipe or of several side by side.",
    example="blocks cost nemotron-h-8b --context 128k --batch 8\n"
    "blocks cost llama-3.1-8b nemotron-h-8b --context 1k..1M\n"
    "blocks cost llama-3.1-8b nemotron-h-8b --context 1k..1M -o cost.svg\n"
    "blocks cost nemotron-h-8b --context 8192 --json\n"
    "blocks cost nemotron-h-56b --gpus 64 --hbm 80GB --context 8k",
    configure=configure,
    run=run,
)
