"""`blocks import`: a checkpoint of another library as a recipe, and as a build folder with its weights."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from blocks import BuildError
from blocks.command import Command
from blocks_compiler import units
from blocks_compiler.foreign import Foreign


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "checkpoint", metavar="DIR_OR_HUB_ID", help="a folder with config.json and safetensors, or OWNER/NAME"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="recipe to write; default: standard output"
    )
    parser.add_argument("--weights", type=Path, metavar="DIR", help="build folder to write, with the weights")
    parser.add_argument("--dtype", metavar="NAME", help="of the weights; default: what most of them are")
    parser.add_argument("--name", metavar="X", help="name of the recipe; default: that of the checkpoint")
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="KEY",
        help="a key of config.json that you know to change nothing; repeatable",
    )  # fmt: skip
    parser.add_argument("--revision", metavar="REV", help="branch, tag or commit, of a hub id")
    parser.add_argument("--force", action="store_true", help="replace an existing recipe")


def run(args: Namespace) -> int:
    """Read the recipe, then the weights if they are asked for; write nothing unless all fits."""
    from blocks_compiler.backends.write import check_output, write_bytes
    from blocks_compiler.foreign import open_checkpoint
    from blocks_compiler.hub import fetched

    if args.output is not None:
        check_output(args.output)
        if args.output.exists() and not args.force:
            raise BuildError.of("B0803", f"{args.output} exists", help="choose another file, or add --force")
    folder = fetched(args.checkpoint, revision=args.revision)
    foreign = open_checkpoint(folder, args.registry, ignore=args.ignore, name=args.name)
    spare = _weights(args, foreign) if args.weights is not None else []
    if args.output is None:
        if args.weights is None:
            print(foreign.text, end="")
            return 0
    else:
        write_bytes(args.output, foreign.text.encode())
    plan = foreign.recipe.plan(registry=args.registry)
    print(f"{plan.name}: {units.number(len(plan.layers), 'block')}, {plan.parameters:,} parameters")
    if args.output is not None:
        print(f"recipe   {args.output}")
    if args.weights is not None:
        print(f"weights  {args.weights / 'model.safetensors'}")
        print(f"beside   {', '.join(foreign.companions) or 'no tokenizer'}")
    for note in foreign.config.notes:
        print(f"note     {note}")
    if spare:
        print(
            f"left out {len(spare)} tensors of other heads: {', '.join(spare[:4])}{' …' * (len(spare) > 4)}"
        )
    return 0


def _weights(args: Namespace, foreign: Foreign) -> list[str]:
    """Write the build folder, with a progress bar; the names of tensors that belong to heads the recipe has not."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    from blocks_compiler.backends.checkpoint import load_checkpoint
    from blocks_compiler.backends.diagram import graph_svg
    from blocks_compiler.backends.folder import check_target, write_folder

    check_target(args.weights)
    console = Console(stderr=True)
    columns = (
        TextColumn("read the weights"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=sum(entry.size for entry in foreign.tensors.values()))
        model, graph, spare = load_checkpoint(
            foreign, args.registry, dtype=args.dtype, progress=lambda size: bar.advance(task, size)
        )
    try:
        picture = graph_svg(graph)
    except BuildError:
        picture = None
    beside = {f"tokenizer/{name}": foreign.folder / name for name in foreign.companions}
    write_folder(
        model, graph, args.weights, seed=None, picture=picture, registry=args.registry, beside=beside
    )
    return spare


COMMAND = Command(
    "Read a checkpoint of a known family: its recipe, and its weights under our names.",
    "blocks import ~/models/gpt2 -o gpt2.yaml\n"
    "blocks import state-spaces/mamba-130m-hf -o mamba.yaml --weights mamba",
    configure,
    run,
)
