"""A comparison from what was asked to its table: everything is checked first, then one recipe after the other trains.

DIR/comparison.json, comparison.md, comparison.svg   what came of it
DIR/NAME/                                            the run of the recipe of that name, as `blocks train` writes it
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from blocks import BlocksError, BuildError, Coder, open_tokenizer
from blocks.diagnostics import Diagnostic, Problems
from blocks_train.comparing import picture
from blocks_train.comparing.entries import Entry, entries, run_of, scaled
from blocks_train.comparing.figures import Figures, measured
from blocks_train.comparing.table import as_markdown, as_text, record
from blocks_train.loop.asked import Asked, prepare_run
from blocks_train.loop.checkpoints import Checkpoint, newest
from blocks_train.loop.resume import changes, check_free, check_same
from blocks_train.loop.run_folder import LOCK, locked, read_run, write_whole
from blocks_train.loop.session import Session

JSON, MARKDOWN = "comparison.json", "comparison.md"


@dataclass(frozen=True)
class Contender:
    """An entry ready to be trained: `found` is its newest checkpoint."""

    entry: Entry
    asked: Asked
    run: Path
    found: Checkpoint | None

    @property
    def is_done(self) -> bool:
        """Whether its last step is saved."""
        return self.found is not None and self.found.step == self.asked.plan.train.steps


def compare(args: Namespace) -> int:
    """Train, measure and compare as the arguments say; the exit code. Raises BlocksError."""
    console = Console(stderr=True, soft_wrap=True)
    folder: Path = args.output
    found = entries(args)
    _check_folder(folder)
    with locked(folder):
        contenders = _contenders(args, folder, found)
        _tell(console, contenders)
        problems = Problems()
        for number, contender in enumerate(contenders, start=1):
            if contender.is_done:
                continue
            name = contender.entry.name
            _say(console, f"{name} ({number} of {len(contenders)})")
            try:
                code = _train(contender, console)
            except BlocksError as error:  # the others go on
                problems.extend(_of_one(name, contender.run, error))
                _say(console, f"{name}: {error.diagnostics[0].message}")
            else:
                if code:
                    _say(console, "the same command once more goes on from there")
                    return code
        _report(args, folder, contenders, console, quiet=args.json and bool(problems))
        problems.raise_if_any(BuildError)
    return 0


def _check_folder(folder: Path) -> None:
    """Raise BuildError for a folder that holds something else."""
    if read_run(folder) is not None:
        raise BuildError.of("B0803", f"{folder} is a run", help="choose another folder with -o")
    if not folder.exists():
        return
    is_ours = folder.is_dir() and (
        (folder / JSON).is_file()
        or all(path.name == LOCK or read_run(path) is not None for path in folder.iterdir())
    )
    if not is_ours:
        raise BuildError.of(
            "B0803", f"{folder} exists and is not a comparison", help="choose another folder with -o"
        )


def _contenders(args: Namespace, folder: Path, found: Sequence[Entry]) -> list[Contender]:
    """Everything that can be wrong is found here. Raises BlocksError with all of it."""
    coder = _coder(args, folder, found)
    problems = Problems()
    after: list[Contender] = []
    for entry in scaled(found, args.parameters, coder):
        run = run_of(folder, entry)
        try:
            asked = prepare_run(entry.made, None, None, coder)
            after.append(Contender(entry, asked, run, _checkpoint(run, asked)))
        except BlocksError as error:
            problems.extend(error.diagnostics)
    problems.raise_if_any(BuildError)
    return after


def _coder(args: Namespace, folder: Path, found: Sequence[Entry]) -> Coder:
    """The tokenizer of the runs that are there, or else that of the first recipe, trained where it has to be."""
    for entry in found:
        run = run_of(folder, entry)
        if read_run(run) is not None and newest(run) is not None:
            return open_tokenizer(run, registry=args.registry)
    return prepare_run(found[0].made, None, None).coder


def _checkpoint(run: Path, asked: Asked) -> Checkpoint | None:
    """Where a run goes on from. Raises BuildError where the folder holds another one."""
    before = read_run(run)
    if before is None:
        check_free(run)
        return None
    check_same(run, before, asked.record)
    changed = changes(before, asked.record)
    if changed:
        raise BuildError.of(
            "B1502", f"{run} is another run: {'; '.join(changed)}", help="compare in another folder with -o"
        )
    found = newest(run)
    if found is not None and found.step > asked.plan.train.steps:
        raise BuildError.of(
            "B1504",
            f"{run} is at step {found.step:,}, and {asked.plan.train.steps:,} are compared",
            help="compare in another folder with -o",
        )
    return found


def _train(contender: Contender, console: Console) -> int:
    """Train one to its end; 0, or the exit code of the signal that ended it. Raises BlocksError."""
    args = Namespace(**vars(contender.entry.made.args) | {"output": contender.run})
    with locked(contender.run):
        session = Session(contender.run, contender.asked, args, console)
        session.start(contender.found, ())
        return session.go()


def _of_one(name: str, run: Path, error: BlocksError) -> list[Diagnostic]:
    """What went wrong with one of them, and how the comparison goes on from there."""
    return [
        replace(found, message=f"{name}: {found.message}", help=_help(found, run))
        for found in error.diagnostics
    ]


def _help(found: Diagnostic, run: Path) -> str | None:
    if found.code == "B1505":
        return f"a lower rate in its recipe; remove {run}, and compare again"
    return found.help


def _report(
    args: Namespace, folder: Path, contenders: Sequence[Contender], console: Console, *, quiet: bool
) -> None:
    """Measure those that are done, write table and plot; print the table, unless `quiet`."""
    rows: list[Figures] = []
    for contender in contenders:
        found = contender.found if contender.is_done else newest(contender.run)
        if found is not None and found.step == contender.asked.plan.train.steps:
            rows.append(measured(contender.entry, contender.asked, contender.run, found, args, console))
    if not rows:
        return
    plot = folder / picture.NAME
    try:
        drawn = picture.draw(rows, plot)
    except ImportError:
        drawn = False
        _say(console, 'no plot: that needs matplotlib, pip install "blocks-dsl[plot]"')
    asked = next(c.asked for c in contenders if c.entry.name == rows[0].name)
    made = record(asked, rows, plot if drawn else None)
    write_whole(folder / JSON, json.dumps(made, indent=2, ensure_ascii=False) + "\n")
    write_whole(folder / MARKDOWN, as_markdown(asked, rows))
    if quiet:
        return
    if args.json:
        print(json.dumps(made, indent=2, ensure_ascii=False))
        return
    print(as_text(asked, rows))
    print(f"\ntable  {folder / MARKDOWN}")
    if drawn:
        print(f"plot   {plot}")


def _tell(console: Console, contenders: Sequence[Contender]) -> None:
    """What is about to be trained, a line each."""
    for note in dict.fromkeys(note for contender in contenders for note in contender.entry.made.notes):
        _say(console, f"note: {note}")
    for contender in contenders:
        entry = contender.entry
        scaled = f" ({entry.note})" if entry.note else ""
        state = "done" if contender.is_done else ""
        if contender.found is not None and not state:
            state = f"goes on from step {contender.found.step:,}"
        _say(
            console,
            f"{entry.name}: {entry.plan.parameters:,} parameters{scaled}{f', {state}' if state else ''}",
        )


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False)
