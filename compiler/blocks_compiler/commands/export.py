"""`blocks export`: a recipe or a build folder in the format of other programs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from blocks import BuildError, UsageError, find_build, from_pretrained, load
from blocks.command import Command
from blocks.exporter import Exporter, Exporting
from blocks_compiler.backends.manifest import is_run
from blocks_compiler.commands.options import add_recipe, count, plan_of


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_recipe(parser, or_build=True)
    parser.add_argument(
        "--to", required=True, metavar="NAME", help="the format: hf, onnx, pt2, or a plugin's"
    )
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="OUT",
        help="folder to write, or one file where it has the format's suffix: model.onnx",
    )  # fmt: skip
    parser.add_argument("--seed", default="0", metavar="N", help="seed of the weights of a recipe (0)")
    parser.add_argument("--dtype", metavar="NAME", help="of the weights; default: as they are, or float32")
    parser.add_argument("--force", action="store_true", help="replace what an earlier export wrote")


def run(args: Namespace) -> int:
    """Build or load the model, have the exporter write beside the target, and put the result in its place at once."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    exporter: Exporter = args.registry.find("exporter", args.to).load()
    single = bool(exporter.suffix) and args.output.suffix == exporter.suffix
    _check(args.output, exporter, args.to, single=single, force=args.force)
    columns = (TextColumn("{task.description:<26}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("build the model", total=exporter.steps + 1)
        exporting = _exporting(args, lambda name: progress.update(task, advance=1, description=name))
        write = _write_file if single else _write_folder
        lines = [*write(exporter, exporting, args.output)]
    print(f"{exporting.plan.name} to {args.to}: {args.output}")
    for line in lines:
        print(line)
    return 0


def _exporting(args: Namespace, step: Callable[[str], None]) -> Exporting:
    """The model of a recipe, with weights from a seed, or that of a folder."""
    folder = Path(args.recipe)
    if folder.is_dir():
        if args.set or args.seed != "0":
            option = "--set" if args.set else "--seed"
            raise UsageError.of(
                "B0805", f"{option} is for recipes, and {folder} is a folder", help="leave it out"
            )
        model = from_pretrained(folder, dtype=args.dtype, registry=args.registry)
        plan = load(str(model.recipe)).plan(registry=args.registry)
        beside = find_build(folder).folder / "tokenizer" if is_run(folder) else folder / "tokenizer"
        return Exporting(model.eval(), plan, args.registry, beside if beside.is_dir() else None, step)
    from blocks_compiler import compile_plan
    from blocks_compiler.backends.module import build_module

    plan = plan_of(args.recipe, args)
    seed = 0 if args.seed == "0" else count(args.seed, "--seed")
    dtype = args.dtype or "float32"
    graph = compile_plan(plan, registry=args.registry, dtype=dtype, kernels="reference")
    model = build_module(graph, seed=seed, dtype=dtype)
    return Exporting(model.eval(), plan, args.registry, step=step)


def _check(target: Path, exporter: Exporter, name: str, *, single: bool, force: bool) -> None:
    """Raise BuildError when something is in the way that is not to be replaced."""
    from blocks.swap import recover
    from blocks_compiler.backends.write import check_output

    check_output(target)
    if not single:
        recover(target.absolute())
    if not target.exists() or (target.is_dir() and not single and not any(target.iterdir())):
        return
    own = (
        target.is_file() if single else (target / exporter.marks).is_file() and target.resolve() != Path.cwd()
    )
    if not own:
        raise BuildError.of(
            "B0803", f"{target} exists and is not what --to {name} wrote", help="choose another name with -o"
        )
    if not force:
        raise BuildError.of("B0803", f"{target} exists", help="choose another name with -o, or add --force")


def _write_folder(exporter: Exporter, exporting: Exporting, target: Path) -> Iterable[str]:
    from blocks.swap import fresh_folder

    with fresh_folder(target) as folder:
        return list(exporter.write(exporting, folder))


def _write_file(exporter: Exporter, exporting: Exporting, target: Path) -> Iterable[str]:
    """Write a folder, and take the one file of it that says it all."""
    from blocks.swap import flush

    if not target.parent.is_dir():
        raise FileNotFoundError(2, "there is no folder", str(target.parent))
    with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        lines = list(exporter.write(exporting, Path(folder)))
        made = Path(folder) / f"model{exporter.suffix}"
        beside = [path.name for path in Path(folder).iterdir() if path.name.startswith(f"{made.name}.")]
        if beside:
            raise BuildError.of(
                "B1103",
                f"the weights are too large for one file: there are {made.name} and {', '.join(beside)}",
                help=f"-o {target.stem}, a folder",
            )
        flush(made)
        made.replace(target)
        flush(target.parent)
        return lines


COMMAND = Command(
    "Write a model in the format of other programs, checked against the model where the format computes.",
    "blocks export gpt2-tiny --to hf -o gpt2\n"
    "blocks export builds/nemotron-h-tiny --to onnx -o model.onnx\n"
    "blocks export llama-3.1-tiny --to pt2 -o model.pt2",
    configure,
    run,
)
