"""`blocks why`: what an error code means, with an example of wrong and right."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from blocks import UsageError
from blocks.codes import CODES
from blocks.command import Command
from blocks.suggest import did_you_mean
from blocks_compiler.commands.page import Cell, Page


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("code", nargs="?", metavar="CODE", help="such as B0307; without it: all codes")


def run(args: Namespace) -> int:
    """Run the command; returns the exit code."""
    page = Page(color=args.color)
    if args.code is None:
        for name, code in CODES.items():
            page.line(Cell(name, "bold"), f"  {code.title}")
        return 0
    name = args.code.upper()
    if name not in CODES:
        near = did_you_mean(name, CODES)
        hint = f"did you mean {near}?" if near else "`blocks why` lists all codes"
        raise UsageError.of("B0805", f"no error has the code {args.code!r}", help=hint)
    code = CODES[name]
    page.line(Cell(f"{name}: {code.title}", "title"))
    page.line()
    page.text(code.meaning)
    for title, example in (("Wrong", code.wrong), ("Right", code.right)):
        page.line()
        page.line(f"{title}:")
        for line in example.split("\n"):
            page.line(f"    {line}")
    return 0


COMMAND = Command(
    summary="Explain an error code.",
    example="blocks why B0307\nblocks why",
    configure=configure,
    run=run,
)
