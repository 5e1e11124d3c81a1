"""What published recipes say of training: the papers' numbers, as they come to steps and rates."""

from __future__ import annotations

from pathlib import Path

import pytest

import blocks
from blocks import PlannedTraining
from blocks.canonical import canonical
from blocks.published import published

SAID = [name for name in published() if blocks.load(name).train is not None]
PAPERS = {
    # name: tokens a step, tokens in all, highest and last rate
    "gpt2": (2**19, 600_000 * 2**19, 6e-4, 6e-5),
    "mamba-130m": (2**19, 300e9, 3e-3, 1e-5),
    "mamba-2.8b": (2**20, 300e9, 8e-4, 1e-5),
    "mamba2-130m": (2**19, 300e9, 3e-3, 1e-5),
    "mamba2-2.7b": (2**20, 300e9, 8e-4, 1e-5),
    "llama-3.1-8b": (2**24, 1_200_000 * 2**24, 3e-4, 3e-6),
    "llama-3.1-70b": (2**24, 1_200_000 * 2**24, 1.5e-4, 1.5e-6),
    "nemotron-h-8b": (768 * 8192, 15e12, 8e-4, 8e-5),
    "lstm-ptb-small": (20 * 20, 13 * 2323 * 400, 20, 20 / 2**9),
    "zoo/bert-like": (256 * 512, 10**6 * 256 * 512, 1e-4, 0),
}


def train(name: str) -> PlannedTraining:
    made = blocks.load(name).plan().training
    assert made is not None
    return made


@pytest.mark.parametrize("name", PAPERS)
def test_the_numbers_are_those_of_the_papers(name: str) -> None:
    made = train(name)
    a_step, in_all, highest, last = PAPERS[name]
    assert made.batch * made.context == a_step
    assert made.steps * a_step == pytest.approx(in_all, rel=1e-5)
    warmup = round(made.schedule.warmup * (made.steps if made.schedule.warmup < 1 else 1))  # type: ignore[attr-defined]
    assert made.rate(max(warmup - 1, 0)) == made.optimizer.lr == pytest.approx(highest)
    assert max(made.rate(step) for step in range(0, made.steps, made.steps // 100)) <= highest * (1 + 1e-12)
    assert made.rate(made.steps) == pytest.approx(last, rel=1e-9)


def test_the_numbers_of_all_others_are_left_to_the_defaults() -> None:
    assert set(SAID) - set(PAPERS) == {"gpt2-xl", "zoo/mixtral-like"}
    assert train("gpt2-xl").rate(1999) < train("gpt2-xl").optimizer.lr == 2e-4
    assert [(term.name, weight) for term, weight in train("zoo/mixtral-like").auxiliary] == [
        ("load_balance", 0.02)
    ]


@pytest.mark.parametrize("name", SAID)
def test_every_section_is_read_back(name: str) -> None:
    plan = blocks.load(name).plan()
    assert blocks.load(canonical(plan)).plan().training == plan.training


@pytest.mark.parametrize("name", SAID)
def test_every_section_says_where_its_numbers_are_from(name: str) -> None:
    text = Path(published()[name]).read_text(encoding="utf-8")
    above = text.partition("\ntrain:")[0].rstrip().splitlines()[-1]
    assert above.startswith("# ")
