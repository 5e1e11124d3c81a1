"""Compile time and memory of 1,000 and 10,000 blocks: is it linear?

    python benchmarks/compile_scaling.py [-o benchmarks/results/compile_scaling.md]

Each measurement is a process of its own: from the recipe's text to the generated source, through all passes, without
torch. Runs of both sizes are interleaved; the ratio of medians is quoted, of time and of peak memory above start-up.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
from pathlib import Path

from interleave import publish

SIZES = (1_000, 10_000)
LIMIT = 12.0

CHILD = """
import json, resource, sys, time
import blocks, blocks_compiler.pipeline, blocks_compiler.backends.source
import networkx, pydantic
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
text = sys.stdin.read()
before, start = peak(), time.perf_counter()
recipe = blocks.load(text)
plan = recipe.plan()
graph = blocks_compiler.compile_plan(plan)
compiled = time.perf_counter()
source = blocks_compiler.backends.source.generate(graph)
done = time.perf_counter()
assert "torch" not in sys.modules
print(json.dumps({"graph": compiled - start, "source": done - compiled, "memory": peak() - before,
                  "nodes": len(graph)}))
"""


def recipe(depth: int) -> str:
    """A hybrid whose overrides and irregular pattern keep folding from making it easy."""
    pattern = "".join("M*-"[(i * i + i // 7) % 3] for i in range(depth))
    return f"""\
recipe: scaling
d_model: 256
vocab_size: 1000
blocks:
  mamba2:    {{mixer: mamba2}}
  attention: {{mixer: multi_head, position: rope}}
  ffn:       {{mixer: mlp}}
model:
  - embed: tokens
  - stack:
      pattern: {pattern!r}
      symbols: {{M: mamba2, "*": attention, "-": ffn}}
      override:
        "attention[-1]": {{n_kv_heads: 1}}
        "layers[0:{depth // 2}]": {{norm: layernorm}}
  - norm: rmsnorm
  - head: lm
"""


def measure(depth: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD], input=recipe(depth), capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("-n", "--runs", type=int, default=5)
    args = parser.parse_args()
    runs = [[measure(size) for size in SIZES] for _ in range(args.runs)]
    rows = []
    ok = True
    for key, unit in (("graph", "s"), ("source", "s"), ("memory", "MiB")):
        small, large = (statistics.median(run[i][key] for run in runs) for i in range(2))
        ratio = large / small if small else float("nan")
        ok &= ratio <= LIMIT
        rows.append(f"| {key} | {small:.3f} {unit} | {large:.3f} {unit} | {ratio:.1f} |")
    small, large = (statistics.median(r[i]["graph"] + r[i]["source"] for r in runs) for i in range(2))
    rows.append(f"| graph + source | {small:.3f} s | {large:.3f} s | {large / small:.1f} |")
    publish(
        "Compile time and memory by depth",
        f"`python benchmarks/compile_scaling.py`: Python {platform.python_version()}, {platform.machine()}, medians of "
        f"{args.runs} interleaved runs; the aim is a ratio of at most {LIMIT:.0f}.",
        "| | 1,000 blocks | 10,000 blocks | ratio |",
        rows,
        args.output,
    )
    print(*rows, sep="\n")
    return 0 if ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
