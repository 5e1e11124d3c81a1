"""A stranger's package: a correct toy mixer, written to disk, and mutants of it."""

import importlib
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from blocks import Mixer

SPECS = '''
from blocks import Cost, D, Mixer, T
from pydantic import Field


class Fade(Mixer):
    """A sum of the past that fades by a learned rate."""

    module = "PACKAGE.module:Fade"

    bias: bool = Field(False, description="biases in both linear maps")

    def cost(self) -> Cost:
        return Cost(params=2 * D * D + D + 2 * self.bias * D, flops=4 * D * D * T, state=D)

    def capabilities(self):
        return frozenset({"causal", "cached", "padded"})
'''

MODULE = '''
import torch
from torch import Tensor, nn


class Fade(nn.Module):
    """h_t = sigmoid(rate) h_{t-1} + W x_t, y_t = V h_t; padding feeds nothing and fades nothing."""

    def __init__(self, d_model: int, *, bias: bool = False) -> None:
        super().__init__()
        self.in_proj = nn.Linear(d_model, d_model, bias=bias)
        self.out_proj = nn.Linear(d_model, d_model, bias=bias)
        self.rate = nn.Parameter(torch.empty(d_model))

    def forward(
        self, x: Tensor, state: tuple[Tensor] | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor]]:
        u = self.in_proj(x)
        keep = torch.sigmoid(self.rate).expand_as(u)
        if mask is not None:
            u = u * mask[..., None]
            keep = keep.masked_fill(~mask[..., None], 1.0)
        h = x.new_zeros(x.shape[0], x.shape[2]) if state is None else state[0]
        ys = [x.new_zeros(x.shape[0], 0, x.shape[2])]
        for t in range(x.shape[1]):
            h = keep[:, t] * h + u[:, t]
            ys.append(h[:, None])
        return self.out_proj(torch.cat(ys, dim=1)), (h,)

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        self.rate.copy_(torch.randn(self.rate.shape, generator=generator))
'''

Make = Callable[..., type[Mixer]]
numbers = count()


@pytest.fixture
def fade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Write a package with the toy mixer, some of its text replaced, and import its declaration."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def make(*changes: tuple[str, str]) -> type[Mixer]:
        package = f"fading_{next(numbers)}"
        texts = {"specs": SPECS.replace("PACKAGE", package), "module": MODULE}
        for old, new in changes:
            assert sum(old in text for text in texts.values()) == 1, f"the toy has no one {old!r}"
            texts = {name: text.replace(old, new) for name, text in texts.items()}
        folder = tmp_path / package
        folder.mkdir()
        (folder / "__init__.py").write_text('"""A stranger\'s plugin."""\n')
        for name, text in texts.items():
            (folder / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        made: type[Mixer] = importlib.import_module(f"{package}.specs").Fade
        return made

    yield make
    for name in set(sys.modules) - before:
        if name.startswith("fading_"):
            del sys.modules[name]
