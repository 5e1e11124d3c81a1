"""Does nanoGPT's small CPU setting reach its published loss here, and what do other architectures of its size?

    python benchmarks/tinyshakespeare.py PATH [-o benchmarks/results/tinyshakespeare.md] [--runs DIR] [--steps N]

PATH is tiny-shakespeare (Karpathy, char-rnn), 1,115,394 characters. The recipes are in the folder of the same name:
nanoGPT's own, an LSTM, Mamba-2 and the 8% hybrid, of as many parameters, trained by `blocks compare` on equal batches.
nanoGPT's README gives a validation loss of 1.88 for this setting, which is its estimate: the mean of 20 batches of 12
random windows of 64 characters. Both are measured, that estimate and the loss over the whole validation split; the exit
code is 1 where either is above 1.88. Interrupted, the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from interleave import machine
from torch.nn.functional import cross_entropy

import blocks
from blocks.cli import main as program

HERE = Path(__file__).parent
RECIPES = [str(HERE / "tinyshakespeare" / f"{name}.yaml") for name in ("gpt", "lstm", "mamba2", "hybrid")]
PUBLISHED = 1.88
BATCHES, ROWS, CONTEXT = 20, 12, 64
"""nanoGPT's eval_iters, batch_size and block_size."""


@torch.no_grad()
def estimate(run: Path, text: str) -> float:
    """nanoGPT's estimate_loss on its validation split, the last tenth, from its seed."""
    model, coder = blocks.from_pretrained(run).eval(), blocks.open_tokenizer(run)
    ids = torch.tensor(coder.encode(text[int(0.9 * len(text)) :]))
    generator = torch.Generator().manual_seed(1337)
    losses = []
    for _ in range(BATCHES):
        starts = torch.randint(len(ids) - CONTEXT, (ROWS, 1), generator=generator)
        rows = ids[starts + torch.arange(CONTEXT + 1)]
        logits, _ = model(rows[:, :-1])
        losses.append(cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()))
    return float(torch.stack(losses).mean())


def compare(path: Path, runs: Path, steps: int | None) -> dict[str, Any]:
    """Train all, or go on; what `blocks compare` found."""
    arguments = ["compare", *RECIPES, "--data", str(path), "--parameters", "match", "-o", str(runs)]
    if steps is not None:
        arguments += ["--steps", str(steps), "--set", f"train.schedule.cosine.warmup={min(100, steps)}"]
    code = program(arguments)
    if code:
        raise SystemExit(code)
    return dict(json.loads((runs / "comparison.json").read_text(encoding="utf-8")))


def page(found: dict[str, Any], table: str, nano: float) -> str:
    """The result file."""
    gpt = found["models"][0]
    lines = [
        "# tiny-shakespeare, characters",
        "",
        f"`python benchmarks/tinyshakespeare.py PATH`, {machine()}, one thread.",
        "",
        f"nanoGPT's small CPU setting, validation loss: **{gpt['validation_loss']:.4f}** over the whole validation "
        f"split, {nano:.4f} by nanoGPT's own estimate (20 batches of 12 random windows); published: {PUBLISHED}.",
        "",
        table.strip(),
        "",
        "All four have the optimizer, the schedule and the rate of nanoGPT's setting: none was tuned. Speeds are those "
        "of a shared machine.",
        "",
    ]
    if found["plot"] is not None:
        lines += ["![Validation loss by tokens and by FLOPs](tinyshakespeare.svg)", ""]
    return "\n".join(lines)


def main() -> int:
    """Run everything; 1 where the published loss is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs/tinyshakespeare"))
    parser.add_argument("--steps", type=int, help="fewer than the setting's 2,000, to try it out")
    args = parser.parse_args()
    torch.set_num_threads(1)
    found = compare(args.path, args.runs, args.steps)
    nano = estimate(args.runs / "gpt", args.path.read_text(encoding="utf-8"))
    text = page(found, (args.runs / "comparison.md").read_text(encoding="utf-8"), nano)
    print(text)
    if args.output is not None:
        args.output.write_text(text, encoding="utf-8")
        if found["plot"] is not None:
            shutil.copyfile(found["plot"], args.output.with_suffix(".svg"))
    return int(max(nano, found["models"][0]["validation_loss"]) > PUBLISHED)


if __name__ == "__main__":
    sys.exit(main())
