"""`blocks recipes`: the published architectures that come with blocks, and the zoo."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser, Namespace
from pathlib import Path

from blocks import Plan, load
from blocks.command import Command
from blocks.published import ZOO, published
from blocks_compiler import units
from blocks_compiler.commands.options import add_json
from blocks_compiler.commands.page import Cell, Page, Table
from blocks_compiler.sizes import ParameterCounts

HEAD = 20
"""Letters of a pattern that the table shows."""


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_json(parser)


def run(args: Namespace) -> int:
    """Run the command; returns the exit code."""
    rows = [_row(name, path, load(path).plan(registry=args.registry)) for name, path in published().items()]
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    page = Page(color=args.color)
    table = Table(("recipe", "parameters", "blocks", "pattern", "about"), "<>><<", ("about", "pattern"))
    for index, row in enumerate(rows):
        pattern, name = str(row["pattern"]), str(row["name"])
        if name.startswith(ZOO) and not str(rows[index - 1]["name"]).startswith(ZOO):
            table.add(Cell(""))
            table.add(Cell("the zoo: one idea each, in small sizes", "bold"))
        table.add(
            Cell(name, "bold"),
            units.count(int(str(row["parameters"]))),
            f"{row['layers']:,}",
            pattern if len(pattern) <= HEAD else pattern[: HEAD - 1] + "…",
            Cell(_first_sentence(str(row["about"])), "dim"),
        )
    page.table(table, indent=0)
    page.line()
    page.line(Cell("blocks show NAME prints one of them, block by block.", "dim"))
    return 0


def _row(name: str, path: Path, plan: Plan) -> dict[str, object]:
    return {
        "name": name,
        "parameters": ParameterCounts(plan).total,
        "layers": len(plan.layers),
        "pattern": plan.pattern,
        "about": plan.about or _comment(path),
    }


def _first_sentence(text: str) -> str:
    return re.split(r"\.\s+(?=[A-Z])", " ".join(text.split()), maxsplit=1)[0].rstrip(".")


def _comment(path: Path) -> str:
    """The first line of the comment at the top of a file."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


COMMAND = Command(
    summary="List the published architectures that come with blocks.",
    example="blocks recipes\nblocks recipes --json",
    configure=configure,
    run=run,
)
