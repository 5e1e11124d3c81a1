"""`blocks schema`: the recipe language as a JSON Schema, for editors."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from blocks import UsageError
from blocks.command import Command
from blocks_compiler.commands.page import Cell, Page


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="file to write; default: standard output"
    )
    parser.add_argument(
        "--install",
        nargs="?",
        type=Path,
        const=Path(),
        metavar="DIR",
        help="write it into a project, and name it in the project's VS Code settings (default: here)",
    )
    parser.add_argument(
        "--match",
        action="append",
        metavar="GLOB",
        help="with --install: the files that are recipes; may be repeated "
        "(default: recipes/**/*.yaml and *.recipe.yaml)",
    )


def run(args: Namespace) -> int:
    """Write the schema of what is installed."""
    from blocks_compiler.backends.write import write_bytes
    from blocks_compiler.editor import MATCH, check_replaceable, install
    from blocks_compiler.schema import schema_text

    if args.match and args.install is None:
        raise UsageError.of(
            "B0805", "--match belongs to --install", help="blocks schema --install --match GLOB"
        )
    if args.output is not None and args.install is not None:
        raise UsageError.of("B0805", "-o and --install both say where the schema goes", help="leave one out")
    text = schema_text(args.registry)
    page = Page(color=args.color)
    if args.install is not None:
        schema, settings = install(args.install, text, args.match or MATCH)
        page.line("schema written to ", Cell(str(schema), "bold"))
        page.line("named in ", Cell(str(settings), "bold"), f" for {', '.join(args.match or MATCH)}")
        page.line("Any other recipe, in any editor: let its first line be")
        page.line(f"# yaml-language-server: $schema={schema.resolve().as_uri()}", indent=2)
    elif args.output is not None:
        check_replaceable(args.output)
        write_bytes(args.output, text.encode())
        page.line("schema written to ", Cell(str(args.output), "bold"))
    else:
        print(text, end="")
    return 0


COMMAND = Command(
    summary="Write the recipe language, with every installed component, as a JSON Schema for editors.",
    example="blocks schema -o recipe.schema.json\n"
    "blocks schema --install\n"
    "blocks schema --install --match 'models/*.yaml'",
    configure=configure,
    run=run,
)
