"""The process's settings: what an import changes is seen and put back."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.random
import pytest
import torch

from blocks import Mixer
from blocks.process import Snapshot
from blocks.quarantine import apart
from blocks_compiler.backends.module import build_component

CHANGES: dict[str, Callable[[], object]] = {
    "the random state of `random`": lambda: random.seed(1),
    "numpy's random state": lambda: np.random.seed(1),
    "torch's random state": lambda: torch.manual_seed(1),
    "torch's default dtype": lambda: torch.set_default_dtype(torch.float64),
    "torch's default device": lambda: torch.set_default_device("meta"),
    "torch's gradient mode": lambda: torch.set_grad_enabled(False),
    "torch's number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "torch's deterministic algorithms": lambda: torch.use_deterministic_algorithms(True),
    "torch's precision of matrix products": lambda: torch.set_float32_matmul_precision("high"),
    "the environment variable OMP_NUM_THREADS": lambda: os.environ.update(OMP_NUM_THREADS="17"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_named_and_put_back(what: str) -> None:
    before = Snapshot.take()
    _, changed = apart(CHANGES[what], module="a_plugin", seconds=10)
    assert changed[0] == what  # torch itself sets a variable when determinism is asked for
    assert len(changed) == 1 or what == "torch's deterministic algorithms"
    after = Snapshot.take()
    assert after == before


def test_draws_go_on_as_if_nothing_had_been() -> None:
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    wanted = random.random(), np.random.rand(), torch.rand(1).item()
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    apart(lambda: (random.random(), np.random.rand(3), torch.rand(2)), module="a_plugin", seconds=10)
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == wanted


def test_a_new_and_a_removed_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_REMOVED_ONE", "1")
    monkeypatch.delenv("A_NEW_ONE", raising=False)
    before = Snapshot.take()
    os.environ["A_NEW_ONE"] = "1"
    del os.environ["A_REMOVED_ONE"]
    assert before.restore() == (
        "the environment variable A_NEW_ONE",
        "the environment variable A_REMOVED_ONE",
    )
    assert os.environ["A_REMOVED_ONE"] == "1"
    assert "A_NEW_ONE" not in os.environ
    assert before.restore() == ()


MODULE = """
import random
import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
random.seed(0)


class Loose(nn.Module):
    def __init__(self, d_model: int) -> None:
        super().__init__()

    def forward(self, x, state=None, mask=None):
        return x, state
"""


def test_what_stands_at_the_top_of_a_module_is_not_run_by_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Loose(Mixer):
        module = "fake_loose_module:Loose"

    (tmp_path / "fake_loose_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    before = Snapshot.take()
    module = build_component(Loose(), 8)
    assert module(torch.ones(1, 2, 8))[0].dtype == torch.float32
    assert Snapshot.take() == before
    assert "fake_loose_module" not in sys.modules
