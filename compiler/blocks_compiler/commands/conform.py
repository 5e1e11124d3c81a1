"""`blocks conform`: a mixer, or every mixer of a recipe, held to the properties that it declares."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blocks import Component, Registry, UsageError
from blocks.command import Command
from blocks.plan import MAX_PARAMS
from blocks.published import published
from blocks.suggest import did_you_mean
from blocks_compiler import units
from blocks_compiler.commands.options import add_json, count, plan_of
from blocks_compiler.commands.page import Cell, Page, Table
from blocks_compiler.conformance.trials import WIDTHS, Trial, of_name, of_plan
from blocks_compiler.describe import options, sentence

if TYPE_CHECKING:
    from blocks_compiler.conformance.cases import Case
    from blocks_compiler.conformance.outcomes import Outcome


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "subject", metavar="NAME|RECIPE",
        help="a mixer (see `blocks plugins --kind mixer`), or a recipe, all of whose mixers are tried",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], metavar="OPTION=VALUE",
        help="an option of the mixer, such as n_heads=4; of a recipe whatever it has, such as blocks.ffn.d_ff=64; "
        "repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--d-model",
        metavar="N",
        help=f"width that it is tried at ({WIDTHS[0]}, or the next power of two that its options fit; a recipe's own)",
    )
    parser.add_argument(
        "--memory", action="store_true", help="as cross attention: it reads a memory as wide as the stream"
    )
    parser.add_argument(
        "--case", action="append", default=[], metavar="CASE", help="this property alone; repeatable"
    )
    parser.add_argument("--seed", default="0", metavar="N", help="seed of weights and inputs (0)")
    parser.add_argument(
        "--waive", action="append", default=[], metavar="CASE=REASON",
        help="a property that cannot hold, and why, which is shown; repeatable",
    )  # fmt: skip
    add_json(parser)


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of every case of one mixer."""

    trial: Trial
    outcomes: Sequence[Outcome]


def run(args: Namespace) -> int:
    """Try every case of every mixer; 1 where a property does not hold."""
    trials = trials_of(args)
    from blocks_compiler.conformance.cases import CASES

    waive = waived(args.waive)
    check_cases(args.case)
    seed = 0 if args.seed == "0" else count(args.seed, "--seed")
    cases = [case for case in CASES if not args.case or case.name in args.case]
    tried = try_all(trials, cases, waive, seed)
    if args.json:
        print(json.dumps([as_json(each, seed) for each in tried], indent=2))
    else:
        show(Page(color=args.color), tried)
    return 1 if any(outcome.result == "failed" for each in tried for outcome in each.outcomes) else 0


# What is tried --------------------------------------------------------------------------------------------------------


def trials_of(args: Namespace) -> list[Trial]:
    """The mixers that the arguments name. Raises BlocksError."""
    registry: Registry = args.registry
    width = None if args.d_model is None else count(args.d_model, "--d-model")
    name: str = args.subject
    if is_mixer(name, registry):
        return [of_name(name, args.set, width=width, memory=args.memory, registry=registry)]
    if args.memory:
        raise UsageError.of(
            "B0805", "--memory is for one mixer", help="in a recipe, a block says memory: itself"
        )
    if width is not None:
        args.set = [*args.set, f"d_model={width}"]
    args.max_params = str(MAX_PARAMS)
    return list(of_plan(plan_of(name, args)))


def is_mixer(name: str, registry: Registry) -> bool:
    """Whether a mixer is meant, and no recipe. Raises PluginError where it is the name of neither."""
    known, recipes = registry.names("mixer"), published()
    is_file = name.endswith((".yaml", ".yml")) or Path(name).is_file()
    if name in known or is_file or name in recipes:
        return name in known
    if did_you_mean(name, [*known, *recipes]) not in recipes:
        registry.find("mixer", name)  # which raises, unless it is distribution:name
        return True
    return False


def waived(given: Iterable[str]) -> dict[str, str]:
    """Case -> reason. Raises UsageError for a case that is none, or without a reason."""
    found = {}
    for text in given:
        name, _, reason = (part.strip() for part in text.partition("="))
        check_cases([name])
        if not reason:
            raise UsageError.of("B0805", f"waiving {name} needs a reason", help=f"--waive {name}='because …'")
        found[name] = reason
    return found


def check_cases(names: Iterable[str]) -> None:
    """Raise UsageError for a case that is none."""
    from blocks_compiler.conformance.cases import CASES

    known = [case.name for case in CASES]
    for name in names:
        if name not in known:
            near = did_you_mean(name, known)
            help = f"did you mean {near!r}?" if near else f"cases: {', '.join(known)}"
            raise UsageError.of("B0805", f"no case is called {name!r}", help=help)


# Trying ---------------------------------------------------------------------------------------------------------------


def try_all(trials: Sequence[Trial], cases: Sequence[Case], waive: dict[str, str], seed: int) -> list[Tried]:
    """Try everything, with a bar on a terminal. Raises BuildError for a mixer that cannot be tried at all."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from blocks_compiler.conformance.outcomes import outcomes
    from blocks_compiler.conformance.subject import Subject
    from blocks_compiler.conformance.waivers import waivers

    columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    tried = []
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(trials) * len(cases))
        for trial in trials:
            subject = Subject(trial.mixer, trial.width, seed)
            reasons = waivers(subject, waive)
            found: list[Outcome] = []
            for case in cases:
                progress.update(task, description=f"{trial.mixer.name} {case.name}")
                found += outcomes(subject, reasons, [case])
                progress.advance(task)
            tried.append(Tried(trial, found))
    return tried


# What is shown --------------------------------------------------------------------------------------------------------

STYLES = {"ok": "green", "failed": "red", "waived": "bold", "does not apply": "dim"}


def show(page: Page, tried: Sequence[Tried]) -> None:
    """A table for each mixer, what is wrong in full below it, and a line that counts."""
    for each in tried:
        trial = each.trial
        words = [f"d_model {trial.width}", sentence(options(trial.mixer))]
        words += [f"memory {trial.mixer.memory_width}"] if trial.mixer.memory_width is not None else []
        words += ["borrowed keys and values"] if trial.mixer.borrows else []
        if trial.blocks:
            words.append(f"of {', '.join(trial.blocks)}")
        page.line(Cell(trial.mixer.name, "title"), "  ", Cell(", ".join(filter(None, words)), "dim"))
        page.line()
        table = Table(("property", "result", "", "seconds"), "<<<>", ("",))
        for outcome in each.outcomes:
            short = outcome.reason if outcome.result != "failed" else outcome.reason.partition("\n")[0]
            seconds = f"{outcome.seconds:.2f}" if outcome.result in ("ok", "failed") else ""
            style = STYLES[outcome.result]
            table.add(outcome.case.name, Cell(outcome.result, style), Cell(short, "dim"), seconds)
        page.table(table)
        page.line()
        for outcome in each.outcomes:
            if outcome.result == "failed":
                page.line(Cell(f"{outcome.case.name}: ", "red"), Cell(outcome.case.about, "bold"))
                page.text(outcome.reason, indent=2)
                page.line()
    page.line(summary(tried))


def summary(tried: Sequence[Tried]) -> str:
    """How many properties hold, fail, are waived and do not apply, and the time that it took."""
    results = [outcome for each in tried for outcome in each.outcomes]
    numbers = {result: sum(outcome.result == result for outcome in results) for result in STYLES}
    words = [f"{units.number(len(tried), 'mixer')}: {numbers['ok']} ok"]
    words += [
        f"{numbers[result]} {result.replace('does', 'do')}"
        for result in STYLES
        if result != "ok" and numbers[result]
    ]
    return f"{', '.join(words)}; {sum(outcome.seconds for outcome in results):.1f} s"


def as_json(tried: Tried, seed: int) -> dict[str, Any]:
    """What --json prints of one mixer; its keys are a contract."""
    trial = tried.trial
    said = {name: (words, getattr(trial.mixer, name)) for name, words in options(trial.mixer).items()}
    return {
        "mixer": trial.mixer.name,
        "blocks": list(trial.blocks),
        "d_model": trial.width,
        "memory": trial.mixer.memory_width,
        "borrows": trial.mixer.borrows,
        "options": {
            name: words if isinstance(value, Component) else value for name, (words, value) in said.items()
        },
        "capabilities": sorted(trial.mixer.capabilities()),
        "seed": seed,
        "cases": [
            {
                "case": outcome.case.name,
                "result": outcome.result,
                "reason": outcome.reason or None,
                "seconds": round(outcome.seconds, 3),
            }
            for outcome in tried.outcomes
        ],
    }


COMMAND = Command(
    "Hold a mixer, or every mixer of a recipe, to the properties that its capabilities promise.",
    "blocks conform mamba2 --set n_heads=4 --set head_dim=16\n"
    "blocks conform multi_head --d-model 32 --set position=rope --case any_split --case padded_state\n"
    "blocks conform hybrid-tiny --json\n"
    'blocks conform gru --waive flops="counted by hand"',
    configure,
    run,
)
