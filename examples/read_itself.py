"""Feed a text through a built model twice, in one pass and token by token, and compare.

    python examples/read_itself.py BUILD [TEXT]

BUILD is a folder that `blocks build` wrote, TEXT a file (README.md). One `forward` serves both: state is an
argument and a result, so decoding is `forward` on a chunk of one token. Exit code 1 when the two disagree.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor

import blocks
from blocks.cli import main as blocks_command

TOLERANCE = 1e-4
"""Largest difference allowed, relative to the largest logit; everything runs in fp32."""


def step_by_step(model: torch.nn.Module, tokens: Tensor) -> Tensor:
    """Logits [B, T, vocab] of tokens [B, T], one token a call."""
    state, steps = None, []
    for t in track(range(tokens.shape[1]), "token by token", transient=True, disable=not sys.stdout.isatty()):
        logits, state = model(tokens[:, t : t + 1], state)
        steps.append(logits)
    return torch.cat(steps, dim=1)


@torch.inference_mode()
def main(build: Path, text: Path) -> int:
    """Run both ways, print what was found, return the exit code."""
    torch.set_num_threads(1)  # one token is too little work to share
    model = blocks.from_pretrained(build).eval()
    tokens = torch.tensor([list(text.read_bytes())])  # [1, T]: the model's token ids are bytes

    start = time.perf_counter()
    together, _ = model(tokens)
    middle = time.perf_counter()
    stepped = step_by_step(model, tokens)
    end = time.perf_counter()

    largest = float(together.abs().max())
    difference = float((together - stepped).abs().max())
    agree = difference <= TOLERANCE * largest  # False for NaN too
    print(f"\n{text.name}: {tokens.shape[1]:,} bytes through {build}")
    print(f"  in one pass     {middle - start:6.2f} s")
    print(f"  token by token  {end - middle:6.2f} s, the state carried along")
    print(f"  largest difference of two logits {difference:.1e}, largest logit {largest:.2f}")
    print("  both agree\n" if agree else f"  they DISAGREE (tolerance {TOLERANCE:.0e}, relative)\n")

    code = blocks_command(["cost", str(build / "recipe.lock.yaml")])
    picture = build / "graph.svg"
    print(f"\npicture: {picture}" if picture.exists() else "\nno picture was drawn")
    return code if agree else 1


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(f"usage: python {sys.argv[0]} BUILD [TEXT]")
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) == 3 else "README.md")))
