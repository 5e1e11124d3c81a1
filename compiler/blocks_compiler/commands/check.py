"""`blocks check`: everything that is wrong with recipes, all at once."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from blocks import BlocksError, Diagnostic, UsageError
from blocks.cli import wants_color
from blocks.command import Command
from blocks.published import locate
from blocks.render import render
from blocks_compiler import units
from blocks_compiler.commands.options import add_json, add_recipe, plan_of
from blocks_compiler.watch import changes, nap


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_recipe(parser, many=True)
    add_json(parser)
    parser.add_argument(
        "--sarif",
        nargs="?",
        const="-",
        metavar="FILE",
        help="findings as SARIF 2.1.0, for code review (default: standard output)",
    )
    parser.add_argument("--watch", action="store_true", help="check again whenever a file changes")


@dataclass(frozen=True, slots=True)
class Checked:
    """What one recipe was found to be: its number of blocks, or what is wrong; `sources` are the texts it is of."""

    name: str
    blocks: int = 0
    diagnostics: tuple[Diagnostic, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)


def run(args: Namespace) -> int:
    """Plan and compile each recipe, without torch; report every problem of every one."""
    _check_usage(args)
    if args.watch:
        watch(args)
    found: list[Checked] = []
    for name in args.recipes:
        found.append(check(name, args))
        if not args.json and args.sarif is None:
            show(found[-1])
    diagnostics = [diagnostic for checked in found for diagnostic in checked.diagnostics]
    if args.json:
        print(json.dumps([diagnostic.as_json() for diagnostic in diagnostics], indent=2))
    elif args.sarif is not None:
        _write_sarif(found, args.sarif)
    else:
        show_count(found)
    return 1 if diagnostics else 0


def _check_usage(args: Namespace) -> None:
    chosen = [
        option
        for option, given in (
            ("--json", args.json),
            ("--sarif", args.sarif is not None),
            ("--watch", args.watch),
        )
        if given
    ]
    if len(chosen) > 1:
        raise UsageError.of(
            "B0805", f"{' and '.join(chosen)} do not go together", help=f"leave out {chosen[-1]}"
        )
    if args.sarif is not None and args.sarif.endswith((".yaml", ".yml")):
        raise UsageError.of(
            "B0812",
            f"the result would be written to the recipe {args.sarif}",
            help="put --sarif last, or write --sarif=FILE",
        )


def check(name: str, args: Namespace) -> Checked:
    """Plan and compile one recipe."""
    from blocks_compiler import compile_plan

    try:
        plan = plan_of(name, args)
        compile_plan(plan, registry=args.registry)
    except BlocksError as error:
        return Checked(name, 0, error.diagnostics, error.sources)
    document = plan.recipe.document
    return Checked(name, len(plan.layers), (), document.sources if document is not None else {})


def show(checked: Checked) -> None:
    """One line for a good recipe; for a wrong one its problems, on standard error."""
    if not checked.diagnostics:
        print(f"{checked.name}: ok, {units.number(checked.blocks, 'block')}", flush=True)
        return
    print(render(checked.diagnostics, checked.sources, color=wants_color(sys.stderr)), file=sys.stderr)
    print(file=sys.stderr, flush=True)


def show_count(found: Iterable[Checked]) -> None:
    """How many problems there are, if any."""
    count = sum(len(checked.diagnostics) for checked in found)
    if count:
        print(f"{count} problem{'s' if count > 1 else ''}", file=sys.stderr, flush=True)


def _write_sarif(found: Iterable[Checked], output: str) -> None:
    from blocks_compiler.backends.sarif import sarif
    from blocks_compiler.backends.write import write_bytes

    found = list(found)
    diagnostics = [diagnostic for checked in found for diagnostic in checked.diagnostics]
    sources = {file: text for checked in found for file, text in checked.sources.items()}
    text = json.dumps(sarif(diagnostics, sources, Path.cwd()), indent=2, ensure_ascii=False) + "\n"
    if output == "-":
        print(text, end="")
    else:
        write_bytes(Path(output), text.encode())


# Watching -------------------------------------------------------------------------------------------------------------


def watch(args: Namespace, wait: Callable[[], None] = nap) -> NoReturn:
    """Check all recipes, and again those of which a file changed, until `wait` is interrupted."""
    found = {name: check(name, args) for name in args.recipes}
    _show_all(found)
    for changed in changes(lambda: {path for checked in found.values() for path in files(checked)}, wait):
        for name, checked in found.items():
            if changed & files(checked):
                found[name] = check(name, args)
        _show_all(found)
    raise AssertionError("looking for changes does not end")


def files(checked: Checked) -> set[Path]:
    """The files that a recipe is read from: its own and those that it extends."""
    try:
        own = locate(checked.name)
    except BlocksError:
        own = Path(checked.name)
    return {own, *map(Path, checked.sources)}


def _show_all(found: Mapping[str, Checked]) -> None:
    if sys.stdout.isatty():
        print("\x1b[2J\x1b[H", end="")
    for checked in found.values():
        show(checked)
    show_count(found.values())
    count = len({path for checked in found.values() for path in files(checked)})
    print(f"watching {count} file{'s' * (count > 1)}; Ctrl-C ends", flush=True)


COMMAND = Command(
    "Find everything that is wrong with recipes, without building them.",
    "blocks check recipes/hybrid-tiny.yaml\n"
    "blocks check gpt2 nemotron-h-56b --json\n"
    "blocks check recipes/*.yaml --sarif findings.sarif\n"
    "blocks check my-hybrid.yaml --watch",
    configure,
    run,
)
