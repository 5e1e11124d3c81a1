"""The recipes that benchmarks/tinyshakespeare.py compares: nanoGPT's setting, and as many parameters in each."""

from pathlib import Path

import pytest

import blocks
from blocks import Plan

FOLDER = Path(__file__).parents[4] / "benchmarks" / "tinyshakespeare"


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    return {
        path.stem: blocks.load(path, set=["vocab_size=65"]).plan() for path in sorted(FOLDER.glob("*.yaml"))
    }


def test_gpt_is_as_large_as_in_nanogpt(plans: dict[str, Plan]) -> None:
    """wte 65 x 128 (tied), wpe 64 x 128, four blocks of 12 x 128^2 and two norms, a last norm; no biases."""
    assert plans["gpt"].parameters == 65 * 128 + 64 * 128 + 4 * (12 * 128**2 + 2 * 128) + 128


def test_rates_are_those_of_nanogpt(plans: dict[str, Plan]) -> None:
    """Warm-up over 100 steps to 1e-3, half a cosine to 1e-4."""
    train = plans["gpt"].train
    assert (train.steps, train.batch, train.context, train.clip) == (2000, 12, 64, 1.0)
    assert train.rate(100) == pytest.approx(1e-3)
    assert train.rate(1050) == pytest.approx(5.5e-4)
    assert train.rate(1999) == pytest.approx(1e-4, rel=1e-3)


def test_all_have_as_many_parameters(plans: dict[str, Plan]) -> None:
    assert set(plans) == {"gpt", "hybrid", "lstm", "mamba2"}
    for name, plan in plans.items():
        assert plan.parameters == pytest.approx(plans["gpt"].parameters, rel=0.01), name
    kinds = [layer.type.name for layer in plans["hybrid"].layers]
    assert (len(kinds), kinds.count("attention")) == (13, 1)  # 8%
