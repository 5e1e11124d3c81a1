"""Each filter against its definition, on numbers small enough to see; then all of them against transformers."""

import math

import pytest
import torch
from torch import Tensor

from blocks_generate import Options
from blocks_generate.sampling.filters import filtered
from blocks_generate.sampling.min_p import min_p
from blocks_generate.sampling.repetition_penalty import repetition_penalty
from blocks_generate.sampling.temperature import temperature
from blocks_generate.sampling.top_k import top_k
from blocks_generate.sampling.top_p import top_p

P = torch.tensor([0.125, 0.5, 0.25, 0.125])


def kept(logits: Tensor) -> list[int]:
    return (logits > -math.inf).nonzero().flatten().tolist()


@pytest.mark.parametrize(("k", "ids"), [(1, [1]), (2, [1, 2]), (3, [0, 1, 2, 3]), (9, [0, 1, 2, 3])])
def test_top_k_keeps_the_k_greatest_and_their_equals(k, ids):
    assert kept(top_k(P.log(), k)) == ids


@pytest.mark.parametrize(
    ("p", "ids"),
    [(1e-9, [1]), (0.5, [1]), (0.501, [1, 2]), (0.75, [1, 2]), (0.76, [0, 1, 2]), (1.0, [0, 1, 2, 3])],
)
def test_top_p_keeps_the_fewest_that_reach_p(p, ids):
    assert kept(top_p(P.log(), p)) == ids


@pytest.mark.parametrize(
    ("share", "ids"), [(0.0, [0, 1, 2, 3]), (0.25, [0, 1, 2, 3]), (0.26, [1, 2]), (1.0, [1])]
)
def test_min_p_keeps_what_is_no_less_than_a_share_of_the_greatest(share, ids):
    assert kept(min_p(P.log(), share)) == ids


def test_what_is_kept_keeps_its_logits():
    logits = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    for found in (top_k(logits, 5), top_p(logits, 0.7), min_p(logits, 0.1)):
        inside = found > -math.inf
        assert 0 < inside.sum() < inside.numel()
        assert torch.equal(found[inside], logits[inside])


def test_temperature_raises_probabilities_to_a_power():
    scaled = temperature(P.log(), 0.5).softmax(-1)
    torch.testing.assert_close(scaled, P**2 / (P**2).sum())


def test_the_penalty_lowers_what_was_seen_whatever_its_sign():
    logits = torch.tensor([2.0, -2.0, 0.0, 2.0])
    seen = torch.tensor([True, True, True, False])
    assert repetition_penalty(logits, seen, 2.0).tolist() == [1.0, -4.0, 0.0, 2.0]


@pytest.mark.parametrize("seed", range(4))
def test_each_and_all_together_are_transformers(seed):
    import transformers.generation.logits_process as theirs

    generator = torch.Generator().manual_seed(seed)
    logits = 1.5 * torch.randn(4, 200, generator=generator)
    ids = torch.randint(200, (4, 12), generator=generator)
    seen = torch.zeros(4, 200, dtype=torch.bool).scatter(1, ids, True)
    steps = [
        (theirs.RepetitionPenaltyLogitsProcessor(1.3), lambda x: repetition_penalty(x, seen, 1.3)),
        (theirs.TemperatureLogitsWarper(0.7), lambda x: temperature(x, 0.7)),
        (theirs.TopKLogitsWarper(60), lambda x: top_k(x, 60)),
        (theirs.TopPLogitsWarper(0.9), lambda x: top_p(x, 0.9)),
        (theirs.MinPLogitsWarper(0.02), lambda x: min_p(x, 0.02)),
    ]
    for step, own in steps:
        assert torch.equal(step(ids, logits), own(logits))
    x = logits
    for step, _ in steps:
        x = step(ids, x)
    options = Options(repetition_penalty=1.3, temperature=0.7, top_k=60, top_p=0.9, min_p=0.02)
    assert torch.equal(filtered(logits, options, seen), x)
    assert all(1 < len(kept(row)) < 60 for row in x)
