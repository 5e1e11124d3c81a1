"""`blocks eject`: the model as one readable PyTorch file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from blocks import BuildError
from blocks.command import Command
from blocks_compiler.commands.options import add_recipe, plan_of


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_recipe(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="file to write; default: standard output"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing file")


def run(args: Namespace) -> int:
    """Write the source with the reference kernels, so that it imports torch alone."""
    from blocks_compiler import compile_plan
    from blocks_compiler.backends.source import generate
    from blocks_compiler.backends.write import check_output, write_bytes

    plan = plan_of(args.recipe, args)
    source = generate(compile_plan(plan, registry=args.registry, kernels="reference"))
    if args.output is None:
        print(source.text, end="")
        return 0
    check_output(args.output)
    if args.output.exists() and not args.force:
        raise BuildError.of("B0803", f"{args.output} exists", help="choose another file, or add --force")
    write_bytes(args.output, source.text.encode())
    print(f"{args.output}: class {source.class_name}, {source.text.count(chr(10))} lines")
    return 0


COMMAND = Command(
    "Write the model as one readable PyTorch file that imports torch and nothing else.",
    "blocks eject nemotron-h-8b -o model.py\nblocks eject gpt2 | less",
    configure,
    run,
)
