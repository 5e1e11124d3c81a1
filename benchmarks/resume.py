"""Does a run that is killed at any point go on to the very bits that it would have computed, and is a save ever lost?

Part 1  a run of `blocks train` is killed with SIGKILL after a random time, 20 times, and resumed: weights, optimizer,
        random states, data position and metrics have to be those of a run that was left alone, byte by byte.
Part 2  a process that does nothing but save checkpoints is killed after a random time, 200 times: the newest checkpoint
        that is whole has to be the last one that was reported as saved, or a later one, with the weights of its step.

    python benchmarks/resume.py [--runs 20] [--saves 200] [--seed 0] [-o benchmarks/results/resume.md]

Children are forked, so that torch is imported once. The exit code is 1 where anything differs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")  # children are forked: no thread may be running

import torch
from interleave import machine

import blocks
from blocks import Registry
from blocks.cli import main as program
from blocks_train.loop import session, speed  # noqa: F401
from blocks_train.loop.checkpoints import Checkpoints, newest

RECIPE = """\
recipe: tiny
d_model: 64
tokenizer: byte
blocks:
  attention: {mixer: multi_head, n_heads: 2, position: rope}
  mamba2: {mixer: mamba2, n_heads: 2, head_dim: 64, d_state: 16}
  ffn: {mixer: mlp, d_ff: 128}
model: [{embed: tokens}, {stack: {layers: [mamba2, attention, ffn]}}, {norm: rmsnorm}, {head: {lm: {tied: true}}}]
train: {steps: 60, batch: 4, context: 64, eval_every: 10, save_every: 5, ema: 0.99, accumulate: 2}
"""
LAST = "checkpoints/step-00000060"


def forked(work: Callable[[], int]) -> int:
    """The number of a child process that does some work and exits with its code, its output left out."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        code = work()
    finally:
        os._exit(code)


def train(folder: Path, run: str, *more: str) -> int:
    """A child that trains."""
    arguments = [
        "train",
        str(folder / "r.yaml"),
        "--data",
        str(folder / "d.txt"),
        "--cache",
        str(folder / "cache"),
    ]
    return forked(lambda: program([*arguments, "-o", str(folder / run), *more]))


def ended(child: int) -> int:
    """Wait for a child: 0, or what it was ended by."""
    return os.waitpid(child, 0)[1]


def facts(run: Path) -> dict[str, object]:
    """Everything of a finished run that is no time."""
    state = json.loads((run / LAST / "training.json").read_text())
    state["state"]["mapping"] = [row for row in state["state"]["mapping"] if row[0] != "seconds"]
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    timed = ("seconds", "tokens_per_second")
    return {
        "weights": (run / LAST / "model.safetensors").read_bytes(),
        "optimizer, random states, average": (run / LAST / "training.safetensors").read_bytes(),
        "step": state,
        "metrics": [{key: value for key, value in row.items() if key not in timed} for row in rows],
    }


def part_1(folder: Path, runs: int, draw: random.Random) -> tuple[Counter[str], list[str]]:
    """Kill and resume; what the kills hit, and what differed."""
    hit: Counter[str] = Counter()
    wrong: list[str] = []
    began = time.monotonic()
    assert ended(train(folder, "straight")) == 0
    lasts = time.monotonic() - began
    wanted = facts(folder / "straight")
    for number in range(runs):
        run = folder / f"run-{number}"
        child = train(folder, run.name)
        time.sleep(draw.uniform(0, lasts))
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        if ended(child) == 0:
            hit["nothing: it was done"] += 1
        else:
            hit[_where(run)] += 1
            more = ["--resume"] if (run / "run.json").is_file() else []
            if not (run / LAST).is_dir() and ended(train(folder, run.name, *more)) != 0:
                wrong.append(f"run {number} does not go on")
                continue
        found = facts(run)
        wrong += [f"run {number}: {name}" for name in wanted if found[name] != wanted[name]]
        shutil.rmtree(run)
        print(f"\rruns {number + 1} of {runs}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return hit, wrong


def _where(run: Path) -> str:
    if not (run / "run.json").is_file():
        return "before anything was written"
    saved = sorted(path.name for path in (run / "checkpoints").glob("*"))
    if any(name.startswith(".") for name in saved):
        return "while a checkpoint was written"
    if (run / LAST).is_dir():
        return "after the last checkpoint"
    return "between checkpoints" if saved else "before the first checkpoint"


def part_2(folder: Path, saves: int, draw: random.Random) -> tuple[Counter[str], list[str]]:
    """Kill while saving; what the kills hit, and what was lost."""
    run, hit, wrong = folder / "saving", Counter[str](), list[str]()
    graph, registry = blocks.compile_graph(blocks.load(RECIPE)), Registry.installed()
    model = blocks.build(RECIPE)
    step = 0
    for number in range(saves):
        reading, writing = os.pipe()

        def work(first: int = step, writing: int = writing) -> int:
            checkpoints = Checkpoints(run, graph, registry)
            for step in range(first + 1, first + 10_000):
                with torch.no_grad():
                    for parameter in model.parameters():
                        parameter.fill_(float(step))
                checkpoints.save(
                    step, model, {"step": step, "moments": [torch.full((200_000,), float(step))]}
                )
                os.write(writing, step.to_bytes(8, "little"))
            return 0

        child = forked(work)
        os.close(writing)
        told = os.read(reading, 8)  # the first is there
        time.sleep(draw.uniform(0, 0.15))
        os.kill(child, signal.SIGKILL)
        ended(child)
        while more := os.read(reading, 8):
            told = more
        os.close(reading)
        reported = int.from_bytes(told, "little")
        cut = any(path.name.startswith(".") for path in (run / "checkpoints").iterdir())
        hit["while one was written" if cut else "between two"] += 1
        found = newest(run)
        if found is None or found.step < reported or found.passed_over:
            wrong.append(f"save {number}: {reported} was reported, {found} is there")
            continue
        step = found.step
        weights, state = found.weights(), found.state(lambda name: None, "cpu")
        same = all(bool((value == step).all()) for value in (*weights.values(), *state["moments"]))
        if not same or state["step"] != step:
            wrong.append(f"save {number}: step {step} holds something else")
        print(f"\rsaves {number + 1} of {saves}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return hit, wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--saves", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    draw = random.Random(args.seed)
    speed.SECONDS = 0.0
    with TemporaryDirectory(prefix="blocks-resume-") as name:
        folder = Path(name)
        (folder / "r.yaml").write_text(RECIPE)
        words = ["the", "sea", "was", "calm", "and", "wind", "slept", "behind", "hills", "of", "sand"]
        (folder / "d.txt").write_text(" ".join(random.Random(1).choice(words) for _ in range(8000)))
        blocks.build(RECIPE)  # imports what children need
        first, wrong = part_1(folder, args.runs, draw)
        second, lost = part_2(folder, args.saves, draw)
    lines = [
        "# Killed and resumed",
        "",
        f"`python benchmarks/resume.py --runs {args.runs} --saves {args.saves} --seed {args.seed}`, {machine()}. "
        "A hybrid of 60 steps, saved every 5, with accumulation and a moving average of the weights.",
        "",
        f"| {args.runs} runs killed after a random time | |",
        "|---|---|",
        *(f"| {what} | {count} |" for what, count in sorted(first.items())),
        f"| **other bits after resuming** | **{len(wrong)}** |",
        "",
        f"| {args.saves} processes that save, killed after a random time | |",
        "|---|---|",
        *(f"| {what} | {count} |" for what, count in sorted(second.items())),
        f"| **checkpoints lost or mixed** | **{len(lost)}** |",
        "",
    ]
    text = "\n".join(lines)
    print(text)
    if args.output is not None:
        args.output.write_text(text, encoding="utf-8")
    for line in (*wrong, *lost):
        print(line, file=sys.stderr)
    return 1 if wrong or lost else 0


if __name__ == "__main__":
    sys.exit(main())
