"""Byte-level BPE with 4,096 tokens on a text: trained, sampled, exported to transformers, the same perplexity there?

    python benchmarks/bpe.py PATH [-o benchmarks/results/bpe.md] [--run DIR] [--steps N]

PATH is tiny-shakespeare, or another text. A small Llama learns it by `blocks train`; `blocks eval` and transformers
then read the last tenth of it, each with its own model, tokenizer and code, in windows of the context side by side. The
exit code is 1 where the two perplexities differ by more than 1e-4. Interrupted, the same command goes on.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from interleave import machine
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

from blocks.cli import main as program

CONTEXT, STEPS = 128, 1000
RECIPE = f"""\
recipe: bpe-4k
d_model: 128
vocab_size: 4096
tokenizer: bpe
blocks:
  attention: {{mixer: multi_head, n_heads: 4, position: rope}}
  ffn: {{mixer: gated_mlp, d_ff: 352}}
model:
  - embed: tokens
  - stack: {{layers: "4 x [attention, ffn]", norm: {{rmsnorm: {{eps: 1e-6}}}}, residual: pre}}
  - norm: {{rmsnorm: {{eps: 1e-6}}}}
  - head: {{lm: {{tied: true}}}}
train:
  batch: 8
  context: {CONTEXT}
  eval_every: 250
  save_every: 250
  optimizer: {{adamw: {{lr: 2e-3}}}}
  schedule: {{cosine: {{warmup: 0.05}}}}
"""
TOLERANCE = 1e-4


def said(*arguments: str) -> str:
    """What the program prints. Raises SystemExit where it fails."""
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        code = program(list(arguments))
    if code:
        raise SystemExit(code)
    return stream.getvalue()


@torch.no_grad()
def theirs(folder: Path, text: str) -> tuple[float, int]:
    """The perplexity of a text in transformers, and how many tokens it has there."""
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = torch.tensor(AutoTokenizer.from_pretrained(folder)(text, add_special_tokens=False)["input_ids"])
    total, count = 0.0, len(ids) - 1
    for start in range(0, count, CONTEXT):
        end = min(start + CONTEXT, count)
        first = max(0, end - CONTEXT)  # the last window is full too, and scores what is left
        logits = model(ids[None, first:end]).logits[0, start - first :]
        total += float(cross_entropy(logits.double(), ids[start + 1 : end + 1], reduction="sum"))
    return math.exp(total / count), len(ids)


def measure(path: Path, run: Path, steps: int) -> tuple[dict[str, float], str, float, int]:
    """Train or go on; what eval finds, a sample, and what transformers finds."""
    text = path.read_text(encoding="utf-8")
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bpe.yaml").write_text(RECIPE, encoding="utf-8")
        (folder / "held.txt").write_text(text[int(0.9 * len(text)) :], encoding="utf-8")
        newest = run / "checkpoints" / f"step-{steps:08d}"
        if not newest.exists():
            more = ["--resume"] if (run / "run.json").exists() else []
            said(
                "train",
                str(folder / "bpe.yaml"),
                "--data",
                str(path),
                "-o",
                str(run),
                "--steps",
                str(steps),
                *more,
            )
        sizes = ["--context", str(CONTEXT), "--stride", str(CONTEXT), "--json"]
        ours = json.loads(said("eval", str(run), "--data", str(folder / "held.txt"), *sizes))
        sample = said(
            "generate", str(run), "--prompt", "ROMEO:", "--max-new-tokens", "100", "--temperature", "0.8",
            "--top-p", "0.95", "--seed", "1",
        )  # fmt: skip
        said("export", str(run), "--to", "hf", "-o", str(folder / "hf"))
        perplexity, count = theirs(folder / "hf", (folder / "held.txt").read_text(encoding="utf-8"))
    return ours, sample, perplexity, count


def main() -> int:
    """Measure; 1 where the two differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--run", type=Path, default=Path("runs/bpe-4k"))
    parser.add_argument("--steps", type=int, default=STEPS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    ours, sample, perplexity, count = measure(args.path, args.run, args.steps)
    differs = abs(ours["perplexity"] - perplexity)
    lines = [
        "# Byte-level BPE, 4,096 tokens",
        "",
        f"`python benchmarks/bpe.py PATH`, {machine()}. {args.steps:,} steps of 8 x {CONTEXT} tokens.",
        "",
        "| | blocks | transformers |",
        "|---|---|---|",
        f"| perplexity of a token | {ours['perplexity']:.6f} | {perplexity:.6f} |",
        f"| tokens of the last tenth | {ours['tokens']:,} | {count:,} |",
        f"| bits per byte | {ours['bits_per_byte']:.4f} | |",
        "",
        f"They differ by {differs:.1e}; {TOLERANCE:.0e} is allowed. A sample:",
        "",
        *(f"    {line}".rstrip() for line in sample.splitlines()),
        "",
    ]
    text = "\n".join(lines)
    print(text)
    if args.output is not None:
        args.output.write_text(text, encoding="utf-8")
    return int(differs > TOLERANCE or ours["tokens"] != count)


if __name__ == "__main__":
    sys.exit(main())
