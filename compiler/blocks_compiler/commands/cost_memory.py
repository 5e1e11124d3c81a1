"""`blocks cost --gpus`: what each GPU holds, in training and in decoding, and whether that fits."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from blocks import BlockGraph, Optimizer, Registry, Training, UsageError
from blocks.suggest import did_you_mean
from blocks_compiler import units
from blocks_compiler.commands.options import count
from blocks_compiler.commands.page import Cell, Page, Table
from blocks_compiler.memory import WAYS, Cluster, Memory, Share, Way

DEFAULT_HBM, DEFAULT_NODE = "80GB", "8"
_UNITS = {f"{letter}{rest}": base ** (n + 1)
          for n, letter in enumerate(("M", "G", "T"), start=1)
          for rest, base in (("B", 1000), ("iB", 1024))}  # fmt: skip
_PARTS = ("weights", "gradients", "optimizer", "gathered", "activations")


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    group = parser.add_argument_group("what fits on GPUs")
    group.add_argument("--gpus", metavar="N", help="say what each of so many GPUs holds")
    group.add_argument(
        "--hbm", metavar="SIZE", help=f"memory of one, such as 80GB or 80GiB (default: {DEFAULT_HBM})"
    )
    group.add_argument("--node", metavar="N", help=f"GPUs of a node (default: {DEFAULT_NODE})")
    group.add_argument(
        "--parallel", action="append", metavar="WAY",
        help=f"{', '.join(WAYS)} or tp=N, or two of them such as hybrid+tp=8; repeatable (default: all)",
    )  # fmt: skip
    group.add_argument("--train", action="store_true", help="training alone, without decoding")


def asked(args: Namespace) -> Cluster | None:
    """The GPUs that the arguments name; None where they name none. Raises UsageError."""
    if args.gpus is None:
        for name in ("hbm", "node", "parallel", "train"):
            if getattr(args, name):
                raise UsageError.of(
                    "B0805", f"--{name} says more of GPUs, and --gpus is missing", help="--gpus 8"
                )
        return None
    return Cluster(
        count(args.gpus, "--gpus"), size(args.hbm or DEFAULT_HBM), count(args.node or DEFAULT_NODE, "--node")
    )


def size(text: str) -> int:
    """Bytes of 80GB, 80GiB, 1.5TB. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*([MGT]i?B)", text.strip())
    value = float(found[1]) * _UNITS[found[2]] if found else 0
    if value < 1:
        raise UsageError.of("B0805", f"--hbm {text!r} is no size of a memory", help="such as 80GB, or 80GiB")
    return round(value)


def way(text: str) -> Way:
    """The way that `hybrid+tp=8` names. Raises UsageError."""
    name, tensor = "", 1
    for word in text.split("+"):
        if (found := re.fullmatch(r"tp=(\d{1,6})", word.strip())) and tensor == 1 and int(found[1]) > 0:
            tensor = int(found[1])
        elif word.strip() in WAYS and not name:
            name = word.strip()
        else:
            near = did_you_mean(word.strip(), WAYS)
            help = f"did you mean {near}?" if near else f"{', '.join(WAYS)}, tp=8, or two such as hybrid+tp=8"
            raise UsageError.of("B0805", f"--parallel {text!r} is no way to spread a model", help=help)
    return Way(name or "fsdp", tensor)


def usual_optimizer(registry: Registry) -> Optimizer:
    """The optimizer of recipes that name none; they need no objective here, whose defaults do not fit all models."""
    name = Training().optimizer
    found = [entry.load()() for entry in registry.of_kind("optimizer") if entry.name == name]
    return next((made.named(str(name)) for made in found if isinstance(made, Optimizer)), Optimizer())


class Fit:
    """What one model needs on a cluster."""

    def __init__(
        self, graph: BlockGraph, context: int, cluster: Cluster, args: Namespace, batch: int
    ) -> None:
        self.memory = Memory(graph, context, batch=batch, dtype=args.dtype)
        self.cluster, self.batch = cluster, batch
        self.context = self.memory.fixed or context
        training = self.memory.plan.training
        self.optimizer = training.optimizer if training else usual_optimizer(args.registry)
        self.average = training is not None and training.ema is not None
        self.ways = self._ways(args.parallel)
        self.training = [
            self.memory.training(
                way, cluster, recomputed=recomputed, floats=self.optimizer.floats(), average=self.average
            )
            for way in self.ways
            for recomputed in (False, True)
        ]
        most = min(cluster.node, cluster.gpus)
        self.decoding = (
            [] if args.train else [self.memory.decoding(n, cluster) for n in self.memory.tensors(most)]
        )

    def _ways(self, given: Sequence[str] | None) -> list[Way]:
        """Those that are given, or all, and fsdp with as much tensor parallelism as the model and a node allow."""
        if given:
            ways = [way(text) for text in given]
            for each in ways:
                self.memory.check(each, self.cluster)
            return ways
        found = [Way(name) for name in WAYS if name != "hybrid" or self.cluster.gpus > self.cluster.node]
        most = self.memory.tensors(min(self.cluster.node, self.cluster.gpus))[-1]
        found += [Way("fsdp", most)] if most > 1 else []
        kept = []
        for each in found:
            try:
                self.memory.check(each, self.cluster)
            except UsageError:
                continue
            kept.append(each)
        return kept if self.cluster.gpus > 1 else kept[:1]

    def as_json(self) -> dict[str, Any]:
        """The numbers, in bytes on one GPU."""
        cluster, memory = self.cluster, self.memory
        return {
            "gpus": cluster.gpus,
            "hbm_bytes": cluster.hbm,
            "node": cluster.node,
            "context": self.context,
            "batch": self.batch,
            "dtype": memory.dtype,
            "optimizer": self.optimizer.name,
            "training": [
                self._row(share, _PARTS) | {"recomputed": share.recomputed} for share in self.training
            ],
            "decoding": [
                self._row(share, ("weights", "state")) | {"sequences": memory.sequences(share, cluster.hbm)}
                for share in self.decoding
            ],
        }

    def _row(self, share: Share, parts: Sequence[str]) -> dict[str, Any]:
        return {
            "way": share.way.name,
            "tp": share.way.tensor,
            **{f"{part}_bytes": getattr(share, part) for part in parts},
            "total_bytes": share.total,
            "fits": share.total <= self.cluster.hbm,
            "least_gpus": share.least,
        }

    # For people

    def show(self, page: Page) -> None:
        """Two tables, and what they assume."""
        cluster, memory = self.cluster, self.memory
        gpus = f" GPU{'s' * (cluster.gpus != 1)} of {units.size(cluster.hbm)}"
        page.line(
            Cell(memory.plan.name, "title"), "   ",
            Cell(f"{memory.parameters:,}", "bold"), Cell(" parameters   ", "dim"),
            Cell(f"{cluster.gpus:,}", "bold"), Cell(gpus, "dim"),
        )  # fmt: skip
        rows = f"{units.number(self.batch, 'sequence')} of {self.context:,} tokens"
        page.line()
        page.line(
            Cell("training", "bold"),
            Cell(f"   bytes on one GPU; {rows} on each, or on each tp of them", "dim"),
        )
        table = Table(("way", *_PARTS, "total", "of it", "least GPUs"), "<" + ">" * 8, ("way",))
        for share in self.training:
            name = f"{share.way}, recomputed" if share.recomputed else str(share.way)
            parts = [units.size(n) if (n := getattr(share, part)) else "-" for part in _PARTS]
            table.add(name, *parts, *self._verdict(share))
        page.table(table)
        if self.decoding:
            page.line()
            page.line(
                Cell("decoding" if memory.state else "serving", "bold"),
                Cell(f"   bytes on one GPU; {rows} on each model", "dim"),
            )
            self._decoding(page)
        page.line()
        page.text(self._notes(), "dim")

    def _decoding(self, page: Page) -> None:
        table = Table(
            ("GPUs a model", "weights", "state", "total", "of it", "sequences that fit"), "<" + ">" * 5
        )
        for share in self.decoding:
            most = self.memory.sequences(share, self.cluster.hbm)
            total, part, _ = self._verdict(share)
            table.add(
                str(share.way.tensor), units.size(share.weights), units.size(share.state) if share.state else "-",
                total, part, "any" if most is None else f"{most:,}",
            )  # fmt: skip
        page.table(table)

    def _verdict(self, share: Share) -> tuple[str, Cell, str]:
        fits = share.total <= self.cluster.hbm
        part = units.percent(share.total, self.cluster.hbm)
        return (
            units.size(share.total),
            Cell(part, "green" if fits else "red"),
            f"{share.least:,}" if share.least else "none",
        )

    def _notes(self) -> str:
        memory, floats = self.memory, self.optimizer.floats()
        copy = "a float32 copy of the weights and " if memory.itemsize < 4 else ""
        training = memory.plan.training
        chosen = training.selectors if training is not None else ()
        again = f"each block of {', '.join(chosen)} keeps" if chosen else "each block keeps"
        average = ", and the moving average one" if self.average else ""
        text = (
            f"Weights and gradients in {memory.dtype}; {self.optimizer.name} keeps {copy}{floats} float32 a parameter"
            f"{average} (Rajbhandari et al. 2019, arXiv:1910.02054). zero1 spreads the optimizer's part over the GPUs, "
            f"zero2 gradients too, fsdp weights too; hybrid does so in each node of {self.cluster.node}. gathered: "
            "weights of two blocks and gradients of one. Activations by what is declared of each block (Korthikanti et "
            f"al. 2022, arXiv:2205.05198); recomputed: {again} its input alone. The CUDA context, "
            "communication and fragmentation take some percent more."
        )
        whole = [name for name in memory.uncut if any(way.tensor > 1 for way in self.ways)]
        return text + (f" tp cuts no {', '.join(whole)}." if whole else "")
