"""Memory of each GPU, on paper: what a model needs in training and in decoding, whatever way it is spread.

Conventions
    weights      in the model's dtype; gradients too
    optimizer    in 16 bits a float32 copy of the weights besides what the optimizer keeps, in float32: with Adam 4 + 8
                 bytes a parameter, 16 in all (Rajbhandari et al. 2019, ZeRO, arXiv:1910.02054, section 3.1)
    ddp          all of it on every GPU
    zero1        the optimizer's part is spread over the GPUs, zero2 gradients too, fsdp weights too (figure 1 there)
    hybrid       as fsdp over the GPUs of a node, each node the same
    tp=N         every N GPUs of a node compute one model: mixers that can be cut (`Mixer.parts`) and tables of words
                 are spread over them; norms, the rest of the mixers and the stream are not
                 (Shoeybi et al. 2019, arXiv:1909.08053; Korthikanti et al. 2022, arXiv:2205.05198, equation 2)
    gathered     what is put together for a block at work: with fsdp the weights of two blocks, as those of the next one
                 are fetched meanwhile, and with zero2 or fsdp the gradients of one; the largest block counts
    activations  see `blocks_compiler.activations`; `recomputed`: each block, or each that `train: checkpoint` names,
                 keeps its input alone, and one at a time all the rest (Chen et al. 2016, arXiv:1604.06174)
    state        what decoding holds

What the CUDA context, communication and fragmentation take, some percent, comes on top.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from math import gcd

from blocks import BlockGraph, Mixer, Plan, UsageError
from blocks_compiler.activations import Activations, activations
from blocks_compiler.backends.report import ITEMSIZE, Meter

WAYS = ("ddp", "zero1", "zero2", "hybrid", "fsdp")
MOST_GPUS = 10**6
"""More are not looked for."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a model is spread: one of `WAYS`, and GPUs of tensor parallelism."""

    name: str
    tensor: int = 1

    def __str__(self) -> str:
        return self.name + (f" + tp={self.tensor}" if self.tensor > 1 else "")


@dataclass(frozen=True, slots=True)
class Cluster:
    """GPUs, their memory in bytes, and how many a node has."""

    gpus: int
    hbm: int
    node: int = 8


@dataclass(frozen=True, slots=True)
class Share:
    """Bytes on one GPU; `least`: the least number of GPUs of which each has memory enough, None where no number is."""

    way: Way
    recomputed: bool = False
    weights: int = 0
    gradients: int = 0
    optimizer: int = 0
    gathered: int = 0
    activations: int = 0
    state: int = 0
    least: int | None = None

    @property
    def total(self) -> int:
        """All of it."""
        parts = (self.weights, self.gradients, self.optimizer, self.gathered, self.activations, self.state)
        return sum(parts)


@dataclass(frozen=True, slots=True)
class _Unit:
    """Parameters of one block or stage: those that tensor parallelism cuts, and the others."""

    cut: int = 0
    whole: int = 0

    def on(self, tensor: int) -> int:
        """Parameters on one GPU."""
        return -(-self.cut // tensor) + self.whole


class Memory:
    """What one model needs, at one context; `batch` sequences at once on each GPU, or on each `tp` of them."""

    def __init__(self, graph: BlockGraph, context: int, *, batch: int = 1, dtype: str = "bfloat16") -> None:
        self.plan: Plan = graph.graph["plan"]
        self.context, self.batch, self.dtype = context, batch, dtype
        self.itemsize = ITEMSIZE[dtype]
        found = activations(graph, context, self.itemsize)
        training = self.plan.training
        chosen = training.checkpoint if training is not None and training.checkpoint else found
        self.again: list[Activations] = [found[path] for path in chosen if found[path].start]
        """Blocks that can be computed again: those of the recipe's `train: checkpoint`, or all."""
        again = {id(unit) for unit in self.again}
        self.kept: list[Activations] = [unit for unit in found.values() if id(unit) not in again]
        """What stays whether or not they are."""
        self.units: list[_Unit] = []
        self.cuttable: dict[str, int] = {}
        """Mixers that tensor parallelism cuts, by name, and into how many parts at most."""
        self.uncut: dict[str, None] = {}
        self._known: dict[int, tuple[int, int]] = {}
        self._needed: dict[tuple[int, bool], int] = {}
        self._read(graph)
        meter = Meter(graph, batch=batch, dtype=dtype)
        self.fixed = meter.fixed
        """The number of tokens that the model's input fixes; None: any."""
        self.state = meter.total(context).state_bytes
        self.state_cut = self._state_cut(graph)

    def _read(self, graph: BlockGraph) -> None:
        units: dict[str, _Unit] = {}
        for node in graph.walk():
            path = node.layer.path if node.layer is not None else node.path
            count, parts = node.cost.parameters(node.width), 1
            if isinstance(node.component, Mixer):
                parts = node.component.parts()
                name = node.component.name
                if parts > 1:
                    self.cuttable[name] = gcd(parts, self.cuttable.get(name, 0))
                else:
                    self.uncut[name] = None
            elif node.role in ("embedding", "head"):
                parts = count  # rows of a table
            unit = units.get(path, _Unit())
            cut = replace(unit, cut=unit.cut + count) if parts > 1 else None
            units[path] = cut or replace(unit, whole=unit.whole + count)
        self.units = list(units.values())

    def _state_cut(self, graph: BlockGraph) -> int:
        """Bytes of state of mixers that tensor parallelism cuts."""
        cut = [n for n in graph.walk() if isinstance(n.component, Mixer) and n.component.parts() > 1]
        rows = {node.layer.path for node in cut if node.layer is not None}
        report = Meter(graph, batch=self.batch, dtype=self.dtype).report(self.context)
        return sum(row.costs.state_bytes for row in report.rows if row.path in rows)

    @cached_property
    def parameters(self) -> int:
        """All of them."""
        return self._held(1)[0]

    def _held(self, tensor: int) -> tuple[int, int]:
        """Parameters on one GPU of `tensor`, and those of the largest block."""
        if tensor not in self._known:
            each = [unit.on(tensor) for unit in self.units]
            self._known[tensor] = sum(each), max(each, default=0)
        return self._known[tensor]

    def check(self, way: Way, cluster: Cluster) -> None:
        """Raise UsageError for a way that cannot be, of this model or on these GPUs."""
        if cluster.gpus % way.tensor or cluster.node % way.tensor:
            what = f"{cluster.gpus:,} GPUs, {cluster.node} a node," if cluster.gpus > 1 else "one GPU"
            raise UsageError.of(
                "B0814",
                f"{what} cannot be shared out by tp={way.tensor}",
                help="tp divides a node, and all GPUs",
            )
        if way.name == "hybrid" and cluster.gpus > cluster.node and cluster.gpus % cluster.node:
            near = cluster.gpus // cluster.node * cluster.node
            raise UsageError.of(
                "B0814",
                f"{cluster.gpus:,} GPUs are no whole nodes of {cluster.node}, and hybrid needs such",
                help=f"--gpus {near} or {near + cluster.node}, or --node with a number that divides them",
            )
        for name, parts in self.cuttable.items():
            if parts % way.tensor:
                fits = [n for n in range(2, min(parts, 64) + 1) if parts % n == 0]
                raise UsageError.of(
                    "B0814",
                    f"tp={way.tensor} does not divide the {parts} parts that {name} of {self.plan.name} is cut into",
                    help=f"tp is one of {', '.join(map(str, fits))}" if fits else "leave out tp",
                )

    def tensors(self, most: int) -> list[int]:
        """Powers of two up to `most` that tensor parallelism can be over; 1 alone where nothing is cut."""
        if not self.cuttable:
            return [1]
        powers = [1 << n for n in range(most.bit_length()) if 1 << n <= most]
        return [n for n in powers if all(parts % n == 0 for parts in self.cuttable.values())]

    # Training

    def training(self, way: Way, cluster: Cluster, *, recomputed: bool, floats: int, average: bool) -> Share:
        """Bytes on one GPU in a training step.

        floats   numbers in float32 that the optimizer keeps of a parameter
        average  whether there is a moving average of the weights, in float32
        """

        def at(gpus: int) -> Share:
            return self._training(way, replace(cluster, gpus=gpus), recomputed, floats, average)

        least = _least(lambda gpus: at(gpus).total <= cluster.hbm, way.tensor, cluster.node)
        return replace(at(cluster.gpus), least=least)

    def _training(self, way: Way, cluster: Cluster, recomputed: bool, floats: int, average: bool) -> Share:
        gpus, tensor = max(1, cluster.gpus // way.tensor), way.tensor
        node = max(1, min(cluster.node, cluster.gpus) // tensor)
        over = {"ddp": (1, 1, 1), "zero1": (1, 1, gpus), "zero2": (1, gpus, gpus), "fsdp": (gpus, gpus, gpus)}
        weights, gradients, optimizer = over.get(way.name, (node, node, node))
        parameters, largest = self._held(tensor)
        size = self.itemsize
        copy = 4 if size < 4 else 0
        gathered = (2 * largest * size if weights > 1 else 0) + (largest * size if gradients > 1 else 0)
        return Share(
            way,
            recomputed,
            weights=-(-parameters * size // weights),
            gradients=-(-parameters * size // gradients),
            optimizer=-(-parameters * (copy + 4 * floats + 4 * average) // optimizer),
            gathered=gathered,
            activations=self.batch * self._activations(tensor, recomputed),
        )

    def _activations(self, tensor: int, recomputed: bool) -> int:
        """Bytes of one sequence."""
        key = (tensor, recomputed)
        if key not in self._needed:
            self._needed[key] = self._sum(tensor, recomputed)
        return self._needed[key]

    def _sum(self, tensor: int, recomputed: bool) -> int:
        others = sum(unit.total(tensor) for unit in self.kept)
        each = [unit.total(tensor) for unit in self.again]
        return others + (
            sum(unit.start for unit in self.again) + max(each, default=0) if recomputed else sum(each)
        )

    # Decoding

    def decoding(self, tensor: int, cluster: Cluster) -> Share:
        """Bytes on one GPU of `tensor` that decode together."""
        weights = self._held(tensor)[0] * self.itemsize
        state = self.state - self.state_cut + -(-self.state_cut // tensor)
        found = Share(Way("decode", tensor), weights=weights, state=state)
        return replace(found, least=tensor if found.total <= cluster.hbm else None)

    def sequences(self, share: Share, hbm: int) -> int | None:
        """How many sequences of this context fit beside the weights; None: any number, they hold nothing."""
        each = -(-share.state // self.batch)
        return max(0, hbm - share.weights) // each if each else None


def _least(fits: Callable[[int], bool], tensor: int, node: int) -> int | None:
    """The least number of GPUs that fits: up to a node, then whole nodes. What a GPU holds never grows with it."""
    for gpus in range(tensor, node + 1, tensor):
        if fits(gpus):
            return gpus
    low, high = 2, max(2, MOST_GPUS // node)
    if not fits(high * node):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle * node) else (middle + 1, high)
    return low * node
