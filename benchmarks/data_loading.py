"""Data: how long a batch takes, against nanoGPT's own way of drawing one, and how fast text is tokenised.

    python benchmarks/data_loading.py [-o benchmarks/results/data_loading.md]

100 MB of made-up text, bytes as tokens; documents are lines in the packed modes. A batch is 12 rows of 64 tokens, as
nanoGPT's on a CPU. `Loader.batch` is compared with nanoGPT's get_batch on the same memory-mapped file, written as there
(karpathy/nanoGPT, train.py) but for the copy to a device.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import torch
from interleave import machine, publish, ratio

from blocks import Registry
from blocks_train.data import Corpus, Loader, prepare

MODES = {
    "stream": ({"packing": "stream"}, 100),
    "stream, carried": ({"packing": "stream", "carry": True}, 100),
    "documents, packed": ({"packing": "documents"}, 1000),
    "documents, padded": ({"packing": "padded"}, 1000),
}
"""Options, and the microseconds that a batch may take."""


def text(size: int) -> Iterator[str]:
    """Lines of drawn words, about `size` bytes."""
    generator = np.random.default_rng(0)
    words = np.array(
        ["".join(map(chr, generator.integers(97, 123, n))) for n in generator.integers(1, 12, 4096)]
    )
    written = 0
    while written < size:
        line = " ".join(generator.choice(words, int(generator.lognormal(2.3, 0.7)) + 1)) + "\n"
        written += len(line)
        yield line


def nanogpt(path: Path, batch: int, context: int) -> tuple[torch.Tensor, torch.Tensor]:
    """nanoGPT's get_batch, which opens the file anew for each batch."""
    data = np.memmap(path, dtype=np.uint16, mode="r")
    ix = torch.randint(len(data) - context, (batch,))
    x = torch.stack([torch.from_numpy((data[i : i + context]).astype(np.int64)) for i in ix])
    y = torch.stack([torch.from_numpy((data[i + 1 : i + 1 + context]).astype(np.int64)) for i in ix])
    return x, y


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--bytes", type=int, default=100_000_000)
    parser.add_argument("--runs", type=int, default=2000)
    args = parser.parse_args()
    coder = Registry.installed(plugins=False).find("tokenizer", "byte").load()().open(None)
    rows = []
    met = True
    with tempfile.TemporaryDirectory() as folder:
        file, cache = Path(folder, "text.txt"), Path(folder, "cache")
        with file.open("w", encoding="utf-8") as stream:
            stream.writelines(text(args.bytes))
        start = time.perf_counter()
        whole = prepare([file], coder, cache)
        tokenised = time.perf_counter() - start
        start = time.perf_counter()
        prepare([file], coder, cache)
        again = time.perf_counter() - start
        lines = prepare([file], coder, cache, split="lines")
        tokens = next(cache.glob(f"{whole.digest[:32]}/text.tokens"))
        for name, (options, most) in MODES.items():
            corpus: Corpus = whole if options["packing"] == "stream" else lines
            start = time.perf_counter()
            loader = Loader(corpus, batch=12, context=64, **options)
            made = time.perf_counter() - start
            steps = count()
            ours, theirs = ratio(
                lambda loader=loader, steps=steps: loader.batch(next(steps)),
                lambda: nanogpt(tokens, 12, 64),
                args.runs,
                warmup=100,
            )
            met &= 1e6 * ours <= most
            rows.append(
                f"| {name} | {1e6 * ours:.0f} | {1e6 * theirs:.0f} | {ours / theirs:.2f} | {most} "
                f"| {loader.efficiency:.1%} | {1e3 * made:.0f} |"
            )
            print(rows[-1], flush=True)
    size = args.bytes / 1e6
    publish(
        "Data",
        f"`python benchmarks/data_loading.py`: {machine()}, medians of {args.runs} interleaved runs. {size:.0f} MB of "
        f"text, {len(lines):,} lines. Bytes are tokenised at {size / tokenised:.0f} MB/s by one process, found again "
        f"in the cache at {size / again:.0f} MB/s, which is the time of a hash.",
        "| a batch of 12 x 64 | ours, µs | nanoGPT's, µs | ratio | aim, µs | real tokens | to lay out, ms |",
        rows,
        args.output,
    )
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
