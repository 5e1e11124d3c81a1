"""The cost report: parameters, FLOPs a token and state bytes of a block graph, by path and in sum.

Conventions
    parameters  tied weights count once, at their owner
    FLOPs       one multiply-add is 2; elementwise work and table look-ups are not counted (see `blocks.Cost`)
    forward     a pass over `context` tokens, divided by `context`
    train       3 x forward: the backward pass computes two products for each one of the forward pass (Kaplan et
                al. 2020, arXiv:2001.08361, section 2.1); recomputation and the optimizer's step are not counted
    decode      one more token with `context` tokens in the state; streams that are read as memory were read before
    state       what decoding holds for `batch` sequences of `context` tokens, in `dtype`, float32 and int64 parts
                included

A memory is taken to be as long as the sequence that reads it: `context` tokens. Where the input of a stream fixes the
number of its tokens, as that of an image does, it is that number at every context; nothing more is decoded there.

Every distinct component is evaluated once, so ten thousand layers cost a walk over them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from blocks import BlockGraph, Node, Plan, Port, UsageError
from blocks.polynomial import Number

TRAIN = 3
ITEMSIZE = {"float32": 4, "bfloat16": 2, "float16": 2, "float8": 1}


@dataclass(frozen=True, slots=True)
class Costs:
    """Numbers of one component, of one block, or of a whole model. FLOPs are exact, and per token."""

    parameters: int = 0
    forward: Number = 0
    decode: Number = 0
    state_bytes: int = 0

    @property
    def train(self) -> Number:
        """FLOPs a token of forward and backward."""
        return TRAIN * self.forward

    def __add__(self, other: Costs) -> Costs:
        return Costs(
            self.parameters + other.parameters,
            self.forward + other.forward,
            self.decode + other.decode,
            self.state_bytes + other.state_bytes,
        )

    def __mul__(self, times: int) -> Costs:
        return Costs(
            self.parameters * times, self.forward * times, self.decode * times, self.state_bytes * times
        )

    def as_json(self) -> dict[str, Any]:
        """The numbers, FLOPs rounded to whole ones."""
        flops = {"forward": self.forward, "train": self.train, "decode": self.decode}
        return {
            "parameters": self.parameters,
            "flops_per_token": {name: round(value) for name, value in flops.items()},
            "state_bytes": self.state_bytes,
        }


@dataclass(frozen=True, slots=True)
class Row:
    """One stage or one block. `block` is its name in the recipe, `component` the registered name of what it runs."""

    path: str
    role: str
    block: str
    component: str
    costs: Costs


@dataclass(frozen=True, slots=True)
class Kind:
    """All blocks of one name, or one stage."""

    role: str
    block: str
    component: str
    count: int
    costs: Costs


@dataclass(frozen=True, slots=True)
class Report:
    """The report of one model at one context; `fixed`: the one that its input has, whatever was asked."""

    name: str
    context: int
    batch: int
    dtype: str
    rows: tuple[Row, ...]
    total: Costs
    fixed: bool = False

    @property
    def kinds(self) -> list[Kind]:
        """The rows in sum, one for each kind of block, in the order of first use."""
        groups: dict[tuple[str, str, str], list[Row]] = {}
        for row in self.rows:
            groups.setdefault((row.role, row.block, row.component), []).append(row)
        return [Kind(*key, len(rows), _sum(row.costs for row in rows)) for key, rows in groups.items()]

    def as_json(self) -> dict[str, Any]:
        """What `blocks cost --json` prints; its keys are a contract."""
        blocks = [
            {"path": row.path, "block": row.block, "mixer": row.component, **row.costs.as_json()}
            for row in self.rows
        ]
        return {**self.total.as_json(), "blocks": blocks}

    def _repr_html_(self) -> str:
        from blocks_compiler.backends.html import report_html

        return report_html(self)


class _Key(NamedTuple):
    """What the costs of a node depend on, besides the context: `tokens` and `memory` where an input fixes them."""

    cost: int
    width: int
    length: str
    tokens: int | None
    memory: int | None


class Meter:
    """Evaluates the components of one graph, each distinct one once at each context."""

    def __init__(self, graph: BlockGraph, *, batch: int = 1, dtype: str = "bfloat16") -> None:
        self.graph, self.batch, self.dtype = graph, batch, dtype
        self.plan: Plan = graph.graph["plan"]
        self.fixed = self.plan.streams[-1].length if self.plan.streams else None
        """The number of tokens that the model's input fixes; None: any."""
        self._times = Counter(map(_key, graph.walk()))
        self._cost = {id(node.cost): node.cost for node in graph.walk()}

    def total(self, context: int) -> Costs:
        """The whole model, in time that grows with the number of distinct components only."""
        return _sum(self._costs(key, context) * times for key, times in self._times.items())

    def report(self, context: int) -> Report:
        """The report at a context, in tokens."""
        known = {key: self._costs(key, context) for key in self._times}
        rows: list[Row] = []
        for node in self.graph.walk():
            if node.component is None and node.layer is None:
                continue
            made = self._row(node, known[_key(node)])
            if rows and rows[-1].path == made.path:
                rows[-1] = _merged(rows[-1], made)
            else:
                rows.append(made)
        return Report(
            self.plan.name, self.fixed or context, self.batch, self.dtype, tuple(rows), self.total(context),
            fixed=self.fixed is not None,
        )  # fmt: skip

    def _row(self, node: Node, costs: Costs) -> Row:
        if node.layer is not None:
            kind = node.layer.type
            return Row(node.layer.path, "block", kind.name, kind.mixer_name, costs)
        assert node.component is not None
        return Row(node.path, node.role, "", node.component.name, costs)

    def _costs(self, key: _Key, context: int) -> Costs:
        """`length` "S": of a stream that is read as memory, which is run once and not again for each token."""
        cost, width = self._cost[key.cost], key.width
        decoding = key.length == "T" and key.tokens is None
        tokens, memory = key.tokens or context, key.memory or context
        return Costs(
            cost.parameters(width),
            Fraction(cost.forward(tokens, width, memory)) / (self.fixed or context),
            cost.decode(context, width, memory) if decoding else 0,
            cost.state_bytes(context, width, ITEMSIZE[self.dtype], memory) * self.batch if decoding else 0,
        )


def _key(node: Node) -> _Key:
    memory = next((port for port in node.inputs if port.name == "memory"), None)
    stream = node.outputs if node.role == "embedding" else node.inputs
    return _Key(
        id(node.cost), node.width, node.length, tokens_at(stream[0] if stream else None), tokens_at(memory)
    )


def tokens_at(port: Port | None) -> int | None:
    """The number of tokens at a port, where an input fixes it."""
    if port is None or port.shape is None or len(port.shape) < 2:
        return None
    return size if isinstance(size := port.shape[1], int) else None


def report(graph: BlockGraph, context: int = 4096, *, batch: int = 1, dtype: str = "bfloat16") -> Report:
    """The report of a graph after all passes; `dtype` is that of the state.

    Raises UsageError for a context or batch below 1, and for an unknown dtype.
    """
    for name, value in (("context", context), ("batch", batch)):
        if value < 1:
            raise UsageError.of("B0805", f"{name} is {value}, not a whole number of at least 1")
    if dtype not in ITEMSIZE:
        raise UsageError.of("B0808", f"{dtype!r} is not a dtype of the state", help=", ".join(ITEMSIZE))
    return Meter(graph, batch=batch, dtype=dtype).report(context)


def conventions(report: Report) -> str:
    """The footnote of every table: what is counted and what is assumed."""
    told = "FLOPs are per token; one multiply-add is 2, elementwise work is not counted. "
    forward = (
        "forward is a pass over them divided by their number, train is 3 x forward (Kaplan et al. 2020, "
    )
    if report.fixed:
        return (
            f"{told}The input makes {report.context:,} tokens: {forward}arXiv:2001.08361, section 2.1), and none is "
            "decoded after them. Tied weights count once."
        )
    return (
        f"{told}At {report.context:,} tokens: {forward}arXiv:2001.08361, section 2.1), decode is one more token. "
        f"State: {report.batch:,} sequence{'s' * (report.batch != 1)} in {report.dtype}, float32 and int64 parts "
        "included. Tied weights count once."
    )


def _merged(first: Row, second: Row) -> Row:
    return Row(first.path, first.role, first.block, first.component, first.costs + second.costs)


def _sum(costs: Iterator[Costs]) -> Costs:
    total = Costs()
    for each in costs:
        total = total + each
    return total
