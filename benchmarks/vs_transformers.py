"""Built models against transformers on the CPU: same weights, same inputs, interleaved medians.

    python benchmarks/vs_transformers.py [-o benchmarks/results/vs_transformers.md] [--only mamba2] [--runs 9]

fp32, batch 4, 512 tokens, d_model 512, 8 layers, vocabulary 32k. `forward` computes all logits without gradients;
`train` is forward, next-token loss, backward and an AdamW step; `step` decodes one token after a prompt of 512.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from interleave import machine, publish, ratio
from peers import PEERS, VOCAB, Peer
from torch import Tensor

BATCH, TOKENS = 4, 512
AIMS = {
    ("Llama", "forward"): 1.0, ("Llama", "train"): 1.0, ("GPT-2", "forward"): 1.0, ("GPT-2", "train"): 1.0,
    ("Mamba-2", "forward"): 0.62, ("Mamba-2", "step"): 0.60,
    ("Nemotron-H", "forward"): 0.85, ("Nemotron-H", "step"): 0.82,
}  # fmt: skip


def time_forward(peer: Peer, tokens: Tensor, runs: int) -> tuple[float, float]:
    with torch.no_grad():
        return ratio(lambda: peer.ours(tokens), lambda: peer.theirs(tokens, use_cache=False), runs)


def time_train(peer: Peer, tokens: Tensor, runs: int) -> tuple[float, float]:
    targets = F.pad(tokens[:, 1:], (0, 1), value=-100).flatten()  # shifted, so that the logits need no copy
    optimizers = [torch.optim.AdamW(model.parameters(), lr=1e-5) for model in (peer.ours, peer.theirs)]

    def ours() -> None:
        logits, _ = peer.ours(tokens)
        update(F.cross_entropy(logits.flatten(0, 1), targets), optimizers[0])

    def theirs() -> None:
        update(peer.theirs(tokens, labels=tokens, use_cache=False).loss, optimizers[1])

    peer.ours.train()
    peer.theirs.train()
    result = ratio(ours, theirs, runs)
    peer.ours.eval()
    peer.theirs.eval()
    return result


def update(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def time_step(peer: Peer, tokens: Tensor, runs: int) -> tuple[float, float]:
    """Both decode on from a prompt; each keeps its own state, which grows by a token a run."""
    with torch.no_grad():
        _, state = peer.ours(tokens)
        cache = peer.theirs(tokens, use_cache=True)
        held: dict[str, Any] = {"ours": state, "position": TOKENS}
        held["theirs"] = getattr(cache, "past_key_values", None)
        if held["theirs"] is None:
            held["theirs"] = cache.cache_params
        name = "past_key_values" if getattr(cache, "past_key_values", None) is not None else "cache_params"
        token = tokens[:, :1]

        def ours() -> None:
            _, held["ours"] = peer.ours(token, held["ours"])

        def theirs() -> None:
            done = peer.theirs(token, use_cache=True, **{name: held["theirs"]})
            held["theirs"] = getattr(done, name)

        return ratio(ours, theirs, 10 * runs, warmup=5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--only", choices=PEERS)
    parser.add_argument("--runs", type=int, default=9)
    args = parser.parse_args()
    torch.manual_seed(0)
    tokens = torch.randint(0, VOCAB, (BATCH, TOKENS))
    rows = []
    met = True
    for key, make in PEERS.items():
        if args.only not in (None, key):
            continue
        peer = make()
        error = peer.check(tokens[:, :100])
        assert error < 1e-4, f"{peer.name}: logits differ by {error:.2e}"
        timers = {"forward": time_forward, "step": time_step, "train": time_train}
        for kind, timer in timers.items():
            if kind == "train" and (peer.name, kind) not in AIMS:
                continue  # theirs takes a minute a step
            ours, theirs = timer(peer, tokens, args.runs)
            aim = AIMS.get((peer.name, kind))
            met &= aim is None or ours / theirs <= aim
            aimed = "" if aim is None else f"{aim:.2f}"
            rows.append(
                f"| {peer.name} | {kind} | {1e3 * ours:.1f} | {1e3 * theirs:.1f} | {ours / theirs:.2f} | {aimed} |"
            )
            print(rows[-1], flush=True)
        rows.append(f"| {peer.name} | logits differ by | | | {error:.1e} | |")
    import transformers

    publish(
        "Built models against transformers, CPU",
        f"`python benchmarks/vs_transformers.py`: {machine()}, transformers {transformers.__version__}, "
        f"{torch.get_num_threads()} threads, fp32, batch {BATCH}, {TOKENS} tokens, medians of {args.runs} "
        "interleaved runs (ten times as many for a step).",
        "| architecture | what | ours, ms | theirs, ms | ours / theirs | aim |",
        rows,
        args.output,
    )
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
