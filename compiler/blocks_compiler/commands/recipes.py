"""`blocks recipes`: the published architectures that come with blocks."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from itertools import groupby
from pathlib import Path

from blocks import BlocksError, load
from blocks.command import Command
from blocks_compiler import units
from blocks_compiler.commands.options import add_json, published
from blocks_compiler.commands.page import Cell, Page, Table
from blocks_compiler.families import family

HEAD = 24


def configure(parser: ArgumentParser) -> None:
    add_json(parser)


def run(args: Namespace) -> int:
    plans = {name: load(path).plan(registry=args.registry) for name, path in published().items()}
    totals = {
        name: sum(
            (stage.component.cost().parameters(plan.sizes.d_model) if stage.component else 0) for stage in plan.stages
        )
        + sum(block.parameters(plan.sizes.d_model) * times for block, times in _counts(plan.layers).items())
        for name, plan in plans.items()
    }
    abouts = {name: plans[name].about or _comment(path) for name, path in published().items()}
    if args.json:
        rows = [
            {
                "name": name,
                "parameters": totals[name],
                "layers": len(plan.layers),
                "pattern": plan.pattern,
                "about": abouts[name],
            }
            for name, plan in plans.items()
        ]
        print(json.dumps(rows, indent=2))
        return 0
    page = Page(color=args.color)
    table = Table(("recipe", "parameters", "blocks", "pattern", "about"), "<>><<", ("about", "pattern"))
    print(BlocksError, HEAD, groupby, family, Path, Cell, units, page, table)
    return 0
