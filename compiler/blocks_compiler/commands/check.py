"""`blocks check`: everything that is wrong with recipes, all at once."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace

from blocks import BlocksError, Diagnostic
from blocks.cli import wants_color
from blocks.command import Command
from blocks.render import render
from blocks_compiler.commands.options import add_json, add_recipe, plan_of


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_recipe(parser, many=True)
    add_json(parser)


def run(args: Namespace) -> int:
    """Plan and compile each recipe, without torch; report every problem of every one."""
    from blocks_compiler import compile_plan

    found: list[Diagnostic] = []
    for name in args.recipes:
        try:
            plan = plan_of(name, args)
            compile_plan(plan, registry=args.registry)
        except BlocksError as error:
            found += error.diagnostics
            if not args.json:
                print(
                    render(error.diagnostics, error.sources, color=wants_color(sys.stderr)), file=sys.stderr
                )
                print(file=sys.stderr)
            continue
        if not args.json:
            print(f"{name}: ok, {len(plan.layers)} blocks")
    if args.json:
        print(json.dumps([diagnostic.as_json() for diagnostic in found], indent=2))
    elif found:
        print(f"{len(found)} problem{'s' if len(found) > 1 else ''}", file=sys.stderr)
    return 1 if found else 0


COMMAND = Command(
    "Find everything that is wrong with recipes, without building them.",
    "blocks check recipes/hybrid-tiny.yaml\nblocks check gpt2 nemotron-h-56b --json",
    configure,
    run,
)
