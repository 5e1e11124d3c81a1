"""Fifty seeds of every shipped mixer through the conformance suite: does one property fail that holds?

    python benchmarks/conformance_seeds.py [--seeds 50] [--start 0] [--slow 5] [--mixer gru] [-o FILE.md]

Every registered mixer of blocks is tried in its main forms, at small sizes. A case that draws neither weights nor
inputs gives the same whatever the seed, and is tried once; `watched` finds that out, so that no list of such cases
has to be kept. A case that takes long, such as one that compiles, is tried with the first seeds alone: `--slow` says
how many. The exit code is 1 where a case failed, or where the suite of one mixer took more than two minutes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from interleave import machine, publish
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from blocks import Registry
from blocks.discovery import FIRST_PARTY
from blocks_compiler.conformance.cases import CASES, Case
from blocks_compiler.conformance.outcomes import outcomes
from blocks_compiler.conformance.subject import Subject
from blocks_compiler.conformance.trials import Trial, of_name
from blocks_compiler.conformance.waivers import waivers
from blocks_compiler.describe import options, sentence

WIDTH = 16
LONG = 1.0
"""Seconds from which a case is slow."""
BUDGET = 120
"""Seconds that a suite of one mixer may take."""
BORROWS, READS = "borrows", "reads"
FORMS: dict[str, tuple[tuple[str, ...], ...]] = {
    "multi_head": (
        ("n_heads=2", "position=rope", "qkv_bias=true"),
        ("n_heads=2", "position={rope: {scaling: dynamic, factor: 2.0, original_max_len: 8}}"),
        ("n_heads=2", "position=alibi", "score_cap=5.0"),
        ("n_heads=2", "position=sinusoidal"),
        ("n_heads=2", "mask=bidirectional", "position={relative: {bidirectional: true}}"),
        ("n_heads=2", "mask=bidirectional", "window=3", "global_tokens=1", "position=rope"),
        ("n_heads=2", "qk_norm=layernorm", READS),
        ("n_heads=2", "position=rope", BORROWS),
    ),
    "grouped_query": (("n_heads=4", "n_kv_heads=2", "qk_norm=rmsnorm", "position=rope", "score_cap=3.0"),),
    "multi_query": (("n_heads=4",),),
    "sliding_window": (
        ("n_heads=2", "window=6", "position=rope"),
        ("n_heads=2", "window=6", "position=relative"),
        ("n_heads=2", "window=5", "global_tokens=2", "position=rope"),
        ("n_heads=2", "window=1", "global_tokens=2", "position=alibi"),
    ),
    "mamba": (("d_inner=16", "d_state=4", "chunk_size=8"),),
    "mamba2": (
        ("n_heads=2", "head_dim=8", "d_state=4", "chunk_size=8"),
        ("n_heads=4", "head_dim=4", "d_state=4", "n_groups=2", "chunk_size=8", "bias=true", "norm_before_gate=true"),
    ),
    "rnn": (
        ("hidden=8",),
        ("hidden=8", "activation=relu"),
        ("hidden=8", "direction=backward"),
        ("hidden=8", "direction=bidirectional"),
    ),
    "lstm": (
        ("hidden=8",),
        ("hidden=12", "d_proj=6"),
        ("hidden=8", "peepholes=true"),
        ("hidden=8", "direction=backward"),
        ("hidden=8", "direction=bidirectional"),
    ),
    "gru": (
        ("hidden=8",),
        ("hidden=8", "reset=after"),
        ("hidden=8", "direction=backward"),
        ("hidden=8", "direction=bidirectional"),
    ),
    "bahdanau": (("hidden=6",), ("hidden=6", "readout=groundhog"), ("hidden=6", "score=general"),
                 ("hidden=16", "score=scaled_dot")),
    "maxout": (("d_out=8", "pieces=3"),),
    "mlp": (("d_ff=24", "activation=relu2"),),
    "gated_mlp": (("d_ff=24", "bias=true"),),
    "moe": (
        ("n_experts=4", "d_ff=12"),
        ("n_experts=4", "top_k=1", "d_ff=12", "renormalise=false"),
        (
            "n_experts=5", "d_ff=12", "activation=relu2", "scoring=sigmoid", "choice_bias=true", "latent=8",
            "shared_d_ff=12",
        ),
    ),
    "linear": (("d_out=8",),),
    "low_rank": (("rank=4",),),
}  # fmt: skip
"""Mixer -> its forms, each a list of options; a mixer that is not named here is tried with its defaults."""


def trials(names: list[str]) -> Iterator[Trial]:
    """Every shipped mixer, or those named, in each of its forms."""
    for entry in Registry.installed(plugins=False).of_kind("mixer"):
        if entry.plugin.distribution != FIRST_PARTY or (names and entry.name not in names):
            continue
        for form in FORMS.get(entry.name, ((),)):
            settings = [option for option in form if option not in (READS, BORROWS)]
            trial = of_name(entry.name, settings, width=WIDTH, memory=READS in form)
            yield Trial(trial.mixer.borrowing(), WIDTH) if BORROWS in form else trial


class Watched(Subject):
    """A subject that notes whether anything was drawn from its seed."""

    drawn = False

    def fresh(self, *args: Any, **kwargs: Any) -> Any:
        self.drawn = self.drawn or kwargs.get("device") != "meta"
        return super().fresh(*args, **kwargs)

    def module(self, *args: Any, **kwargs: Any) -> Any:
        self.drawn = True
        return super().module(*args, **kwargs)

    def inputs(self, *args: Any, **kwargs: Any) -> Any:
        self.drawn = True
        return super().inputs(*args, **kwargs)


@dataclass
class Row:
    """What became of one mixer.

    `once`, `few` and `each`: cases tried with one seed, with some, with every one; `seconds` of the `first` seed.
    """

    trial: Trial
    seconds: float = 0.0
    once: list[Case] = field(default_factory=list)
    few: list[Case] = field(default_factory=list)
    each: list[Case] = field(default_factory=list)
    runs: int = 0
    failures: list[str] = field(default_factory=list)
    first: int = 0

    @property
    def title(self) -> str:
        """The mixer and its options."""
        mixer = self.trial.mixer
        words = [sentence(options(mixer)), "reads a memory" * (mixer.memory_width is not None)]
        return f"{mixer.name} {', '.join(filter(None, [*words, 'borrows' * mixer.borrows]))}"

    def note(self, subject: Subject, case: Case, seed: int) -> None:
        """Try one case."""
        for outcome in outcomes(subject, waivers(subject, {}), [case]):
            self.runs += outcome.result in ("ok", "failed")
            self.seconds += outcome.seconds if seed == self.first else 0.0
            if outcome.result == "failed":
                self.failures.append(f"{self.title}, seed {seed}: {case.name}: {outcome.reason}")


def first_seed(row: Row, seed: int) -> None:
    """Try every case once, and learn which ones draw from the seed and which ones are slow."""
    row.first = seed
    subject = Watched(row.trial.mixer, row.trial.width, seed)
    for case in CASES:
        if not case.applies(subject):
            continue
        subject.drawn = False
        start = time.perf_counter()
        row.note(subject, case, seed)
        slow = time.perf_counter() - start > LONG
        (row.once if not subject.drawn else row.few if slow else row.each).append(case)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--slow", type=int, default=5, help="seeds of a case that takes long (5)")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--mixer", action="append", default=[], help="this one alone; repeatable")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = [Row(trial) for trial in trials(args.mixer)]
    columns = (
        TextColumn("{task.description:<40.40}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(rows) * args.seeds)
        for row in rows:
            progress.update(task, description=row.title)
            first_seed(row, args.start)
            progress.advance(task)
            for number in range(1, args.seeds):
                seed = args.start + number
                subject = Subject(row.trial.mixer, row.trial.width, seed)
                for case in [*row.each, *(row.few if number < args.slow else ())]:
                    row.note(subject, case, seed)
                progress.advance(task)
    lines = [
        f"| {row.title} | {len(row.each)} | {len(row.few)} | {len(row.once)} | {row.runs:,} | {len(row.failures)} "
        f"| {row.seconds:.1f} |"
        for row in rows
    ]
    failures = [failure for row in rows for failure in row.failures]
    lines.append(f"| **all {len(rows)}** | | | | {sum(row.runs for row in rows):,} | {len(failures)} | |")
    publish(
        "Seeds of the conformance suite",
        f"`python benchmarks/conformance_seeds.py --seeds {args.seeds} --start {args.start} --slow {args.slow}`: "
        f"{machine()}, one thread, d_model {WIDTH}. Cases that draw weights or inputs are run with each of the "
        f"{args.seeds} seeds; slow ones, of more than {LONG} s at the first seed, with {args.slow} of them; those that "
        "draw nothing once. The last column is the whole suite with one seed, on a machine shared with other work.",
        "| mixer | each seed | slow | once | runs | failures | seconds a suite |",
        lines,
        args.output,
    )
    print(*lines, *failures, sep="\n")
    return 1 if failures or any(row.seconds > BUDGET for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
