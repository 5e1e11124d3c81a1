"""Recipes with mistakes by the hundred thousand: does anything but the project's own refusals come out?

    python benchmarks/fuzz_recipes.py [-n 200000] [--start 0] [-o benchmarks/results/fuzz_recipes.md]
    python benchmarks/fuzz_recipes.py --show 4711

Each recipe is one of the published ones, or one that has the whole language in it, changed in up to six places: as
text, as tokens, as YAML, or by keys of the language, and by `--set` (tests/hostile/mutations.py). It is read,
planned, and compiled where it has few blocks. The number of a recipe makes it again. The exit code is 1 where a
stranger's exception came out, or where one recipe took more than ten seconds.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from typing import NoReturn

from interleave import machine, publish
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from blocks import Registry
from blocks.codes import CODES

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "hostile"))
import mutations

QUICK = 0.1
"""Seconds within which a recipe is refused."""
ENDLESS = 10
"""Seconds after which a recipe is given up."""


def give_up(*_: object) -> NoReturn:
    raise TimeoutError(f"not done in {ENDLESS} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("-n", "--count", type=int, default=200_000)
    parser.add_argument("--start", type=int, default=0, help="number of the first recipe")
    parser.add_argument(
        "--show", type=int, metavar="NUMBER", help="print one recipe and what is wrong with it"
    )
    args = parser.parse_args()
    seeds, registry = mutations.seeds(), Registry.installed()
    if args.show is not None:
        text, settings = mutations.mutated(Random(args.show), seeds)
        print(text, *(f"--set {setting}" for setting in settings), sep="\n")
        print(mutations.attempt(text, settings, registry), file=sys.stderr)
        return 0
    for seed in seeds:
        mutations.attempt(seed, (), registry)  # whatever is imported late is imported now
    results: Counter[str] = Counter()
    strangers: dict[str, list[int]] = {}
    slow: list[tuple[float, int]] = []
    columns = (TextColumn("recipes"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    begun = time.perf_counter()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for number in progress.track(range(args.start, args.start + args.count)):
            text, settings = mutations.mutated(Random(number), seeds)
            start = time.process_time()
            if hasattr(signal, "SIGALRM"):
                signal.signal(signal.SIGALRM, give_up)
                signal.alarm(ENDLESS)
            try:
                result = mutations.attempt(text, settings, registry)
            except Exception as error:
                frame = traceback.extract_tb(error.__traceback__)[-1]
                place = f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"
                strangers.setdefault(place, []).append(number)
                result = "a stranger's exception"
            if hasattr(signal, "SIGALRM"):
                signal.alarm(0)
            seconds = time.process_time() - start
            if seconds > QUICK and result not in ("compiled", "planned"):
                slow.append((seconds, number))
            results[result] += 1
    took = time.perf_counter() - begun
    refused = sum(count for code, count in results.items() if code in CODES)
    good = results["compiled"] + results["planned"]
    rows = [
        f"| recipes | {args.count:,} |",
        f"| exceptions that are not the project's own | {sum(map(len, strangers.values())):,} |",
        f"| refused, by {sum(code in CODES for code in results)} first codes | {refused:,} |",
        f"| planned, of them compiled | {good:,}, {results['compiled']:,} |",
        f"| refused in more than {QUICK * 1000:.0f} ms | {len(slow):,} |",
        f"| seconds in all | {took:,.0f} |",
        *(
            f"| {code} {CODES[code].title} | {count:,} |"
            for code, count in results.most_common()
            if code in CODES
        ),
    ]
    publish(
        "Recipes with mistakes",
        f"`python benchmarks/fuzz_recipes.py -n {args.count} --start {args.start}`: {machine()}. Each recipe is a "
        "good one with one to six changes, as text, tokens, YAML or keys of the language, some with `--set`. Below the "
        "time is the first code of each refusal.",
        "| | |",
        rows,
        args.output,
    )
    print(*rows, sep="\n")
    for place, numbers in strangers.items():
        print(f"{place}: {len(numbers)}, such as --show {' '.join(map(str, numbers[:5]))}")
    for seconds, number in sorted(slow, reverse=True)[:5]:
        print(f"{seconds:.2f} s: --show {number}")
    return 1 if strangers else 0


if __name__ == "__main__":
    raise SystemExit(main())
