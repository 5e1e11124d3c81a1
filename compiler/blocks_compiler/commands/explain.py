"""`blocks explain`: the model in words."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from blocks.command import Command
from blocks_compiler.commands.options import add_json, add_recipe, plan_of
from blocks_compiler.commands.page import Cell, Page


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_recipe(parser)
    add_json(parser)


def run(args: Namespace) -> int:
    """Print a section for each part of the model."""
    from blocks_compiler.explanation import explain
    from blocks_compiler.pipeline import check_plan

    plan = plan_of(args.recipe, args)
    check_plan(plan)
    sections = explain(plan, registry=args.registry)
    if args.json:
        print(json.dumps({"recipe": plan.name, "sections": [asdict(one) for one in sections]}, indent=2))
        return 0
    page = Page(color=args.color)
    for index, section in enumerate(sections):
        if index:
            page.line()
        page.line(Cell(section.title, "bold" if index else "title"))
        for text in section.texts:
            page.text(text, indent=2)
    return 0


COMMAND = Command(
    "Say in words why each block is where it is, what every default became, what is shared and what is kept.",
    "blocks explain nemotron-h-8b\nblocks explain hybrid-tiny --json",
    configure,
    run,
)
