"""`blocks build`: a folder with weights, lock file, picture and manifest."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from blocks import BuildError
from blocks.command import Command
from blocks.render import plain
from blocks.tokenizer import coder_of
from blocks_compiler import units
from blocks_compiler.commands.options import add_recipe, count, plan_of


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_recipe(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder to write (builds/NAME)")
    parser.add_argument("--seed", default="0", metavar="N", help="seed of the weights (0)")
    parser.add_argument("--dtype", default="float32", help="float32, bfloat16, float16 or float64 (float32)")
    parser.add_argument("--device", default="cpu", help="where the weights are drawn (cpu)")
    parser.add_argument(
        "--kernels", default="auto", metavar="NAME", help="auto, reference, or an implementation"
    )


def run(args: Namespace) -> int:
    """Build, with a progress line for each step, and print what was made."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    plan = plan_of(args.recipe, args)
    seed = 0 if args.seed == "0" else count(args.seed, "--seed")
    target: Path = args.output or Path("builds") / plan.name
    steps = ("compile the graph", "draw the picture", "draw the weights", "write the folder")
    columns = (TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(steps[0], total=len(steps))

        def done(step: int) -> None:
            progress.update(task, advance=1, description=steps[min(step, len(steps) - 1)])

        from blocks_compiler import compile_plan

        graph = compile_plan(
            plan, registry=args.registry, device=args.device, dtype=args.dtype, kernels=args.kernels
        )
        done(1)
        from blocks_compiler.backends.audit import wrong_costs
        from blocks_compiler.backends.diagram import graph_svg
        from blocks_compiler.backends.folder import check_target, write_folder
        from blocks_compiler.backends.module import build_module

        check_target(target)
        picture, missing = None, ""
        try:
            picture = graph_svg(graph)
        except BuildError as error:
            missing = error.diagnostics[0].message
        done(2)
        if args.device == "meta":
            raise BuildError.of(
                "B0808", "a build folder holds weights, and the meta device has none", help="cpu or cuda"
            )
        model = build_module(graph, seed=seed, device=args.device, dtype=args.dtype)
        done(3)
        coder = coder_of(plan) if plan.tokenizer is not None and plan.tokenizer.has_files else None
        write_folder(model, graph, target, seed=seed, picture=picture, registry=args.registry, coder=coder)
        done(4)
    for wrong in wrong_costs(model, graph, args.registry):
        print(f"warning[{wrong.code}]: {plain(wrong.message)}\n  = help: {wrong.help}", file=sys.stderr)
    total = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"{plan.name}: {units.number(len(plan.layers), 'block')}, {total:,} parameters, seed {seed}, {args.dtype}"
    )
    print(f"layout   {plan.pattern}")
    print(f"weights  {target / 'model.safetensors'}")
    print(f"recipe   {target / 'recipe.lock.yaml'}")
    print(f"picture  {target / 'graph.svg' if picture is not None else f'not drawn: {missing}'}")
    return 0


COMMAND = Command(
    "Build a recipe: weights, fully expanded recipe, picture and manifest in one folder.",
    "blocks build hybrid-tiny\nblocks build recipes/gpt2-tiny.yaml -o model --seed 7 --dtype bfloat16",
    configure,
    run,
)
