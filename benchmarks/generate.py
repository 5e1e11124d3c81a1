"""Generation against transformers' generate() on the CPU: the same weights, the same greedy tokens, tokens a second.

    python benchmarks/generate.py [-o benchmarks/results/generate.md] [--only gpt2-tiny] [--runs 5]

Each recipe is written as a checkpoint of its family, which transformers loads as its own model. A prompt of 32 tokens
is continued by 64, for 1 and for 8 texts at once. `compiled` decodes in one graph; the time to compile is not in it.
Compiled transformers are not timed: generate() compiles with a static cache alone, which state-space models lack.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from interleave import machine, publish, ratio

import blocks
from blocks_generate import complete, generate

NAMES = ("gpt2-tiny", "llama-3.1-tiny", "mamba2-tiny", "nemotron-h-tiny")
PROMPT, NEW = 32, 64
BATCHES = (1, 8)


def peers(name: str) -> tuple[Any, Any]:
    """A model of ours and transformers' own of the same checkpoint."""
    from transformers import AutoModelForCausalLM

    ours = blocks.build(name).eval()
    with torch.no_grad():
        for path, parameter in ours.named_parameters():  # far enough from uniform for greedy texts to vary
            if parameter.ndim == 2 and "A_log" not in path:
                parameter.mul_(3)
    with TemporaryDirectory() as folder:
        blocks.save_checkpoint(ours, folder)
        return ours, AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def main() -> int:
    import transformers

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--only", choices=NAMES)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    transformers.logging.disable_progress_bar()
    rows = []
    met = True
    for name in NAMES if args.only is None else (args.only,):
        model, peer = peers(name)
        for batch in BATCHES:
            seed = torch.Generator().manual_seed(batch)
            prompts = torch.randint(3, 256, (batch, PROMPT), generator=seed)
            options = {"max_new_tokens": NEW, "temperature": 0, "batch": batch}

            def ours(model=model, prompts=prompts, options=options, **more: bool) -> list[list[int]]:
                found = complete(generate(model, None, prompts.tolist(), **options, **more))
                return [list(text.tokens) for text in found]

            def theirs(peer=peer, prompts=prompts) -> list[list[int]]:
                found = peer.generate(
                    prompts, attention_mask=torch.ones_like(prompts), do_sample=False, max_new_tokens=NEW,
                    min_new_tokens=NEW, eos_token_id=None, pad_token_id=0,
                )  # fmt: skip
                return found[:, PROMPT:].tolist()

            wanted = theirs()
            same = sum(a == b for a, b in zip(ours(), wanted, strict=True))
            start = time.perf_counter()
            same_compiled = sum(a == b for a, b in zip(ours(compile=True), wanted, strict=True))
            compiling = time.perf_counter() - start
            mine, other = ratio(ours, theirs, args.runs)
            compiled, again = ratio(lambda ours=ours: ours(compile=True), theirs, args.runs)
            speeds = [batch * NEW / seconds for seconds in (mine, compiled, other)]
            met &= mine <= other
            rows.append(
                f"| {name} | {batch} | {speeds[0]:,.0f} | {speeds[1]:,.0f} | {speeds[2]:,.0f} | {mine / other:.2f} "
                f"| {compiled / again:.2f} | {same} and {same_compiled} of {batch} | {compiling:.0f} s |"
            )
            print(rows[-1], flush=True)
    publish(
        "Generation against transformers, CPU",
        f"`python benchmarks/generate.py`: {machine()}, transformers {transformers.__version__}, "
        f"{torch.get_num_threads()} threads, fp32, greedy, {NEW} tokens after {PROMPT}, medians of {args.runs} "
        "interleaved runs. Tokens a second, and time over that of transformers in the same runs; rows whose tokens are "
        "the same; seconds of the first compiled call.",
        "| recipe | texts | ours | compiled | transformers | ours / theirs | compiled / theirs | same tokens "
        "| compiling |",
        rows,
        args.output,
    )
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
