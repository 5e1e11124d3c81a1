"""The table of docs/interchange.md: every family, how near it runs to transformers, and what its importer takes.

python benchmarks/interchange/table.py            writes docs/interchange.md
python benchmarks/interchange/table.py gpt2 t5    prints the rows of these families alone
"""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "interchange.md"
FAMILIES = ROOT / "plugins" / "blocks_hf" / "families"

ABOUT = """\
# Checkpoints of Hugging Face

`blocks import DIR_OR_HUB_ID -o my.yaml [--weights OUT]` reads a checkpoint as a recipe and as weights under our
names; `blocks.from_pretrained(DIR)` does it from Python, and `blocks export BUILD --to hf -o DIR` writes the way back.
What is not understood, be it a key of config.json, a tensor or a shape, is an error that names it. Nothing of a
checkpoint is run.

These families are read and written. Each row is measured on tiny models that transformers makes, with every parameter
randomised, norms and biases too, in the variants that are named:

- **difference**: the largest difference of logits (hidden states where there is no head) over the largest logit, in
  fp32, on whole and on padded batches. Asked is 2e-5.
- **decoding**: tokens out of {tokens} that greedy decoding from our state and transformers' own generation agree on,
  whole rows / rows padded on the left.
- **way back**: written tensors are those that were read, bit by bit, and transformers loads them without remote code.
- **importer**: lines of the family's file, and of those that it shares with others in brackets.

"""
HEAD = "| family | variant | difference | decoding | way back | importer |\n|---|---|---|---|---|---|\n"


@dataclass(frozen=True)
class Row:
    """What was measured of one variant."""

    family: str
    variant: str
    difference: float
    decoded: str
    back: bool
    lines: str

    def __str__(self) -> str:
        back = "bit-equal" if self.back else "**differs**"
        cells = (self.family, self.variant, f"{self.difference:.1e}", self.decoded, back, self.lines)
        return f"| {' | '.join(cells)} |\n"


def load(path: Path) -> ModuleType:
    """A file beside this one, which is no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def lines(family: str) -> str:
    """Lines of an importer's own file, and of those that it imports from."""
    text = (FAMILIES / f"{family}.py").read_text(encoding="utf-8")
    shared = [
        path
        for path in FAMILIES.glob("*.py")
        if f"blocks_hf.families.{path.stem} import" in text
        or f"blocks_hf.families import {path.stem}\n" in text
    ]
    count = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in shared)
    return f"{len(text.splitlines())} ({count})"


def row(measure: ModuleType, family: str, peer: Any) -> Row:
    """Measure one variant."""
    import blocks

    with tempfile.TemporaryDirectory() as folder:
        there, back = Path(folder) / "there", Path(folder) / "back"
        theirs = peer.model()
        theirs.save_pretrained(there)
        ours = blocks.from_pretrained(there).eval()
        difference = max(measure.parity(peer, ours, theirs).values())
        decoded = measure.decoding(peer, ours, theirs)
        trip = measure.round_trip(ours, theirs, there, back)
    said = "" if decoded is None else " / ".join(str(count) for count in decoded.values())
    return Row(family, peer.name, difference, said, all(trip.values()), lines(family))


def main(names: list[str]) -> None:
    """Measure, show a bar meanwhile, and write the page."""
    import torch
    import transformers
    from rich.progress import track

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    sys.path.append(str(HERE))
    measure = load(HERE / "measure.py")
    peers = [
        (path.stem, peer)
        for path in sorted((HERE / "peers").glob("*.py"))
        if not names or path.stem in names
        for peer in load(path).PEERS
    ]
    rows = [str(row(measure, family, peer)) for family, peer in track(peers, "measuring", transient=True)]
    table = HEAD + "".join(rows)
    print(table, end="")
    if names:
        return
    where = f"{platform.machine()}, torch {torch.__version__}, transformers {transformers.__version__}"
    command = "`python benchmarks/interchange/table.py`"
    end = f"\nMade by {command} on a CPU ({where}).\n"
    PAGE.write_text(ABOUT.replace("{tokens}", str(measure.TOKENS)) + table + end + NOTES, encoding="utf-8")


NOTES = """
## What to know

- Positions count real tokens here. Where transformers counts columns (BERT, BART, Marian and others), batches padded
  on the left agree once it is given `position_ids`.
- State spaces of transformers let padding on the left touch the convolution; those rows are compared one by one.
- transformers raises Nemotron-H's time steps to 0.001 in a prompt and not in cached decoding, and keeps to Mamba-2's
  `time_step_limit` in a prompt alone. Here both are one model: none is raised, and limits hold in every step. The tiny
  models are compared where that makes no difference, or without transformers' cache.
- Nemotron's heads for later tokens (`mtp.*`) are left out, as transformers does.
- A separate head in the file counts more than `tie_word_embeddings: true`, as in transformers.
- Sharded files, names of older versions (`gamma`, no prefix, mask buffers) and half precision are read; quantised
  checkpoints and pickles are not.
- A family of your own is a plugin: [write a plugin](guide/write-a-plugin.md).
"""


if __name__ == "__main__":
    main(sys.argv[1:])
