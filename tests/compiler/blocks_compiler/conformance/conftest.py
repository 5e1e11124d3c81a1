"""A stranger's package: a correct toy mixer, written to disk, and mutants of it."""

import importlib
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from blocks import Mixer

SPECS = '''
from blocks import Cost, D, Inside, Mixer, Op, T
from pydantic import Field


class Fade(Mixer):
    """A sum of the past that fades by a learned rate."""

    module = "PACKAGE.module:Fade"

    bias: bool = Field(False, description="biases in both linear maps")

    def cost(self) -> Cost:
        return Cost(params=2 * D * D + D + 2 * self.bias * D, flops=4 * D * D * T, state_fp32=D)

    def capabilities(self):
        return frozenset({"causal", "cached", "padded", "packed"})

    def inside(self) -> Inside:
        weights = D * D + self.bias * D
        return Inside(
            (
                Op("in_proj", "linear", ("x",), ("B", "T", D), weights),
                Op("fade", "scan", ("in_proj",), ("B", "T", D), D),
                Op("out_proj", "linear", ("fade",), ("B", "T", D), weights),
            )
        )
'''

MODULE = '''
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan


class Fade(nn.Module):
    """h_t = sigmoid(rate) h_{t-1} + W x_t, y_t = V h_t; padding feeds nothing and fades nothing."""

    def __init__(self, d_model: int, *, bias: bool = False) -> None:
        super().__init__()
        self.in_proj = nn.Linear(d_model, d_model, bias=bias)
        self.out_proj = nn.Linear(d_model, d_model, bias=bias)
        self.rate = nn.Parameter(torch.empty(d_model))

    def forward(
        self, x: Tensor, state: tuple[Tensor] | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor] | None]:
        wide = torch.promote_types(x.dtype, torch.float32)
        u = self.in_proj(x).to(wide)
        keep = torch.sigmoid(self.rate.to(wide)).expand_as(u)
        packed = mask is not None and mask.dtype != torch.bool
        if packed:
            if state is not None:
                raise ValueError("packed documents start without a state")
            keep = keep.masked_fill(starts(mask)[..., None], 0.0)
            mask = mask > 0
        if mask is not None:
            u = u * mask[..., None]
            keep = keep.masked_fill(~mask[..., None], 1.0)
        h = u.new_zeros(x.shape[0], x.shape[2]) if state is None else state[0]
        ys, h = fade(keep, u, h)
        return self.out_proj(ys.to(x.dtype)), None if packed else (h,)

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        self.rate.copy_(3 + torch.randn(self.rate.shape, generator=generator))


def starts(documents: Tensor) -> Tensor:
    """bool [B, T], true at the first token of each document."""
    before = F.pad(documents.cummax(dim=1).values, (1, 0))[:, :-1]
    return documents > before


def fade(keep: Tensor, u: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """All h_t, and the last; while compiling one operator, so that one graph serves every T."""
    T = u.shape[1]
    if torch.compiler.is_compiling():
        keep, u = F.pad(keep, (0, 0, 0, 1), value=1.0), F.pad(u, (0, 0, 0, 1))

        def step(h, now):
            h = now[0] * h + now[1]
            return h, h.clone()

        h, ys = scan(step, h, (keep.transpose(0, 1), u.transpose(0, 1)))
        return ys.transpose(0, 1)[:, :T], h
    ys = [u[:, :0]]
    for t in range(T):
        h = keep[:, t] * h + u[:, t]
        ys.append(h[:, None])
    return torch.cat(ys, dim=1), h
'''

RECALL_SPECS = '''
from blocks import Cost, D, Mixer, S, T


class Recall(Mixer):
    """Softmax attention of one head to a memory."""

    module = "PACKAGE.module:Recall"

    def call(self, width):
        made = super().call(width)
        return type(made)(made.target, (width, self.memory_width))

    def cost(self) -> Cost:
        M = self.memory_width
        return Cost(
            params=D * D + 2 * M * D,
            flops=2 * D * D * T + 4 * M * D * S + 4 * D * T * S,
            step=2 * D * D + 4 * D * S,
            state=2 * D * S,
        )

    def capabilities(self):
        return frozenset({"causal", "cached", "padded", "cross"})

    def sees(self, query, key):
        return key == query
'''

RECALL_MODULE = '''
import torch
from torch import Tensor, nn


class Recall(nn.Module):
    """softmax(W_q x (W_k m)^T) W_v m over the real tokens of m."""

    def __init__(self, d_model: int, memory_width: int) -> None:
        super().__init__()
        self.in_proj = nn.Linear(d_model, d_model, bias=False)
        self.key_proj = nn.Linear(memory_width, d_model, bias=False)
        self.value_proj = nn.Linear(memory_width, d_model, bias=False)

    def forward(self, x, state=None, mask=None, memory=None):
        if mask is not None and mask.dtype != torch.bool:
            raise ValueError("documents are not kept apart")
        if state is None:
            if memory is None:
                raise ValueError("no memory")
            values, real = memory
            state = self.key_proj(values), self.value_proj(values), real
        keys, values, real = state
        scores = self.in_proj(x) @ keys.transpose(1, 2)
        if real is not None:
            scores = scores.masked_fill(~real[:, None], -1e30)
        return torch.softmax(scores, dim=-1) @ values, state
'''

CENTRE_SPECS = '''
from blocks import Cost, D, Mixer, T


class Centre(Mixer):
    """Each token without the mean of all: it sees all, in whatever order."""

    module = "PACKAGE.module:Centre"

    def cost(self) -> Cost:
        return Cost(params=D * D, flops=2 * D * D * T)

    def capabilities(self):
        return frozenset({"padded"})

    def equivariant(self):
        return True
'''

CENTRE_MODULE = '''
import torch
from torch import Tensor, nn


class Centre(nn.Module):
    """W (x - mean over the real tokens of x)."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.out_proj = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x, state=None, mask=None):
        if state is not None or (mask is not None and mask.dtype != torch.bool):
            raise ValueError("the whole sequence at once, and one a row")
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        real = torch.ones_like(x[..., 0], dtype=torch.bool) if mask is None else mask
        count = real.sum(dim=1).clamp(min=1)[:, None, None]
        mean = (wide * real[..., None]).sum(dim=1, keepdim=True) / count
        return self.out_proj((wide - mean).to(x.dtype)), None
'''

Make = Callable[..., type[Mixer]]
numbers = count()


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., type[Mixer]]]:
    """Write a package with a toy mixer, some of its text replaced, and import its declaration."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def make(name: str, specs: str, module: str, changes: tuple[tuple[str, str], ...]) -> type[Mixer]:
        package = f"toy_{next(numbers)}"
        texts = {"specs": specs.replace("PACKAGE", package), "module": module}
        for old, new in changes:
            assert sum(old in text for text in texts.values()) == 1, f"the toy has no one {old!r}"
            texts = {file: text.replace(old, new) for file, text in texts.items()}
        folder = tmp_path / package
        folder.mkdir()
        (folder / "__init__.py").write_text('"""A stranger\'s plugin."""\n')
        for file, text in texts.items():
            (folder / f"{file}.py").write_text(text)
        importlib.invalidate_caches()
        made: type[Mixer] = getattr(importlib.import_module(f"{package}.specs"), name)
        return made

    yield make
    for name in set(sys.modules) - before:
        if name.startswith("toy_"):
            del sys.modules[name]


@pytest.fixture
def fade(toy: Callable[..., type[Mixer]]) -> Make:
    """The toy with a state."""
    return lambda *changes: toy("Fade", SPECS, MODULE, changes)


@pytest.fixture
def recall(toy: Callable[..., type[Mixer]]) -> Make:
    """The toy that reads a memory."""
    return lambda *changes: toy("Recall", RECALL_SPECS, RECALL_MODULE, changes)


@pytest.fixture
def centre(toy: Callable[..., type[Mixer]]) -> Make:
    """The toy whose order of tokens does not matter."""
    return lambda *changes: toy("Centre", CENTRE_SPECS, CENTRE_MODULE, changes)
