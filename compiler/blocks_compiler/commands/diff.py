"""`blocks diff`: what differs between two recipes in meaning, not in text."""

from __future__ import annotations

import json
import subprocess
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from blocks import Plan, RecipeError, UsageError, load
from blocks.api import from_document
from blocks.command import Command
from blocks.published import locate
from blocks.reader import read
from blocks_compiler.commands.options import add_json, count
from blocks_compiler.commands.page import Cell, Page, Table
from blocks_compiler.compare import Change, Comparison, Option

GIT = "git:"
MOST = 4
"""Runs of places that the terminal shows; --markdown and --json have all."""
_STYLES = {"changed": "bold", "added": "green", "removed": "red", "moved": "bold"}


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    text = "a recipe file, a published architecture, or git:REV:PATH for a file as it stands in a revision"
    parser.add_argument("old", metavar="A", help=text)
    parser.add_argument("new", metavar="B", help="the same")
    parser.add_argument(
        "--context", default="4096", metavar="N", help="tokens, for FLOPs and state (default: 4096)"
    )
    parser.add_argument("--markdown", action="store_true", help="for a pull request")
    add_json(parser)


def run(args: Namespace) -> int:
    """Print what differs; 0 where nothing does, else 1."""
    from blocks_compiler import compile_plan
    from blocks_compiler.backends.markdown import comparison_markdown
    from blocks_compiler.compare import compare

    if args.json and args.markdown:
        raise UsageError.of("B0805", "--json and --markdown do not go together", help="leave one out")
    context = count(args.context, "--context")
    old, new = (
        compile_plan(read_plan(name, args), registry=args.registry, kernels="reference")
        for name in (args.old, args.new)
    )
    plans = old.graph["plan"], new.graph["plan"]
    names = (args.old, args.new) if plans[0].name == plans[1].name else (plans[0].name, plans[1].name)
    comparison = compare(old, new, context, names)
    if args.json:
        print(json.dumps(comparison.as_json(), indent=2))
    elif args.markdown:
        print(comparison_markdown(comparison), end="")
    else:
        show(Page(color=args.color), comparison)
    return 0 if comparison.same and not comparison.training else 1


def read_plan(name: str, args: Namespace) -> Plan:
    """The plan of one side. Raises RecipeError."""
    if not name.startswith(GIT):
        return load(locate(name)).plan(registry=args.registry)
    return from_document(read(_from_git(name), name)).plan(registry=args.registry)


def _from_git(name: str) -> bytes:
    """The text of `git:REV:PATH`. Raises RecipeError."""
    revision, colon, path = name.removeprefix(GIT).rpartition(":")
    if not colon or not revision or not path:
        raise RecipeError.of("B0813", f"{name!r} is not git:REV:PATH", help="git:main:recipes/gpt2.yaml")
    command = ["git", "cat-file", "blob", f"{revision}:{path}"]
    if revision.startswith("-"):
        raise RecipeError.of("B0813", f"{revision!r} is not a revision", help="git:main:recipes/gpt2.yaml")
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        raise RecipeError.of("B0813", "there is no git here to ask", help="name two files") from None
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise RecipeError.of(
            "B0813",
            f"git has no {path} in {revision}: {' '.join(reason).removeprefix('fatal: ')}",
            help="PATH counts from the top of the repository; ./PATH from here",
        )
    return done.stdout


# The terminal ---------------------------------------------------------------------------------------------------------


def show(page: Page, comparison: Comparison) -> None:
    """The comparison on a page."""
    from blocks_compiler.backends.comparison import cost_rows, layout

    old, new = comparison.names
    if comparison.same:
        page.line(
            f"{old} and {new} are the same architecture{', trained otherwise' * bool(comparison.training)}"
        )
        _show_options(page, "training", comparison.training)
        return
    page.line(Cell(old, "title"), " → ", Cell(new, "title"))
    for title, options in (("sizes", comparison.sizes), ("tied weights", comparison.ties)):
        _show_options(page, title, options)
    blocks = [change for change in comparison.changes if change.item.role == "block"]
    stages = [change for change in comparison.changes if change.item.role != "block"]
    for title, changes in (("blocks", blocks), ("stages", stages)):
        if changes:
            page.line()
            page.line(Cell(title, "bold"))
        for change in changes:
            _show_change(page, change)
    if comparison.layouts[0] != comparison.layouts[1]:
        page.line()
        page.line(Cell("in order", "bold"))
        page.text(f"old: {layout(comparison.layouts[0])}", indent=2)
        page.text(f"new: {layout(comparison.layouts[1])}", indent=2)
    _show_options(page, "training", comparison.training)
    page.line()
    table = Table(("", "old", "new", "change", ""), "<>>>>")
    for row in cost_rows(comparison):
        table.add(
            row.name, row.old, row.new, Cell(row.change or "=", "bold" if row.change else "dim"), row.share
        )
    page.table(table, indent=0)


def _show_options(page: Page, title: str, options: Sequence[Option]) -> None:
    """Options that are not what they were, below a title; nothing where there are none."""
    if not options:
        return
    page.line()
    page.line(Cell(title, "bold"))
    table = Table(("", "", ""), "<<<")
    for option in options:
        table.add(option.name, Cell(option.old or "none", "dim"), f"→ {option.new or 'none'}")
    page.table(table)


def _show_change(page: Page, change: Change) -> None:
    from blocks_compiler.backends.comparison import SIGNS, described, parameters, title, told, where

    added = f"{parameters(change)} parameters" if change.parameters else ""
    head = Cell(f"{SIGNS[change.kind]} {title(change)}", _STYLES[change.kind])
    moved = " moved" if change.kind == "moved" else ""
    place = where(change, MOST)
    place = "" if place == title(change) else f"  {place}"
    page.line(head, moved, Cell(place, "dim"), "   " if added else "", added, indent=2)
    if change.kind in ("added", "removed"):
        page.text(described(change.item), "dim", indent=6)
    both, gone, come = told(change.options)
    table = Table(("", "", ""), "<<<")
    for option in both:
        table.add(option.name, Cell(option.old or "none", "dim"), f"→ {option.new or 'none'}")
    page.table(table, indent=6)
    for word, text in (("gone", gone), ("new", come)):
        if text:
            page.text(f"{word}: {text}", indent=6)


COMMAND = Command(
    summary="Say what differs between two recipes in meaning: sizes, blocks, stages, parameters, FLOPs and state, and "
    "how they are trained. The exit code is 1 where they differ.",
    example="blocks diff llama-3.1-8b mistral-7b\n"
    "blocks diff git:main:recipes/gpt2.yaml recipes/gpt2.yaml --markdown\n"
    "blocks diff nemotron-h-8b nemotron-h-56b --context 128k --json",
    configure=configure,
    run=run,
)
