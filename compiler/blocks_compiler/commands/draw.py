"""`blocks draw`: the architecture as a picture."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from pathlib import Path

from blocks import UsageError
from blocks.command import Command
from blocks_compiler.commands.options import add_recipe, plan_of

SUFFIXES = (".svg", ".png", ".pdf", ".dot")


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_recipe(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="a .svg, .png, .pdf or .dot (default: NAME.svg)"
    )
    parser.add_argument(
        "--inside", action="store_true", help="open each kind of mixer: the operations inside"
    )
    parser.add_argument(
        "--fold", action=BooleanOptionalAction, default=True, help="draw repeats once (default)"
    )
    parser.add_argument("--theme", choices=("light", "dark"), default="light", help="default: light")


def run(args: Namespace) -> int:
    """Run the command; returns the exit code."""
    from blocks_compiler import compile_plan
    from blocks_compiler.backends.diagram import diagram
    from blocks_compiler.backends.render import render
    from blocks_compiler.backends.theme import THEMES
    from blocks_compiler.backends.write import write_bytes

    plan = plan_of(args.recipe, args)
    path: Path = args.output or Path(f"{plan.name}.svg")
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError.of(
            "B0805", f"a picture cannot be written to {path}", help=f"end it in {', '.join(SUFFIXES)}"
        )
    graph = compile_plan(plan, registry=args.registry, kernels="reference")
    source = diagram(graph, inside=args.inside, folded=args.fold, theme=THEMES[args.theme])
    write_bytes(path, render(source, path.suffix[1:].lower()))
    print(f"drawn in {path}")
    return 0


COMMAND = Command(
    summary="Draw the architecture: repeats folded, sizes and shapes written, each kind of block explained.",
    example="blocks draw nemotron-h-8b -o nemotron.svg\n"
    "blocks draw gpt2 -o gpt2.png --inside\n"
    "blocks draw llama-3.1-8b -o llama.pdf --theme dark",
    configure=configure,
    run=run,
)
