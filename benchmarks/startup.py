"""Start-up: whole commands against `python -c "import torch"`, interleaved.

    python benchmarks/startup.py [-o benchmarks/results/startup.md]

Both sides run from compiled bytecode, as an installed package does: the warm-up writes it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from interleave import machine, publish, ratio

AIMS = {
    ("--help",): 0.12,
    ("check", "recipes/nemotron-h-56b.yaml"): 0.25,
    ("show", "recipes/nemotron-h-8b.yaml"): None,
    ("cost", "recipes/nemotron-h-56b.yaml"): None,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--runs", type=int, default=15)
    args = parser.parse_args()
    root = Path(__file__).resolve().parent.parent

    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def run(*command: str) -> None:
        subprocess.run(command, cwd=root, stdout=subprocess.DEVNULL, env=env, check=True)

    program = str(Path(sys.executable).with_name("blocks"))
    rows = []
    met = True
    for arguments, aim in AIMS.items():
        a, b = ratio(
            lambda x=arguments: run(program, *x), lambda: run(sys.executable, "-c", "import torch"), args.runs
        )
        met &= aim is None or a / b <= aim
        aimed = "" if aim is None else f"{aim:.2f}"
        rows.append(
            f"| `blocks {' '.join(arguments)}` | {1e3 * a:.0f} | {1e3 * b:.0f} | {a / b:.3f} | {aimed} |"
        )
        print(rows[-1], flush=True)
    publish(
        "Start-up",
        f"`python benchmarks/startup.py`: {machine()}, medians of {args.runs} interleaved runs.",
        '| command | ours, ms | `python -c "import torch"`, ms | ratio | aim |',
        rows,
        args.output,
    )
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
