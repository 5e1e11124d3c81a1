"""What is drawn has the distribution that the filters leave: chi-square, and the edges of the interval."""

import pytest
import torch

from blocks_generate import Options, complete, generate
from blocks_generate.sampling.draw import draw
from blocks_generate.sampling.filters import filtered
from blocks_generate.sampling.uniforms import uniforms


def tail(counts: torch.Tensor, probabilities: torch.Tensor) -> float:
    """How probable a chi-square statistic as great as this is (Pearson 1900)."""
    possible = probabilities > 0
    assert counts[~possible].sum() == 0
    expected = probabilities[possible] * counts.sum()
    statistic = ((counts[possible] - expected) ** 2 / expected).sum()
    half = torch.tensor((int(possible.sum()) - 1) / 2, dtype=torch.float64)
    return float(torch.special.gammaincc(half, statistic / 2))


OPTIONS = [
    {},
    {"temperature": 0.5},
    {"temperature": 2.0, "top_k": 3},
    {"top_p": 0.8},
    {"min_p": 0.2},
    {"temperature": 1.5, "top_k": 5, "top_p": 0.9, "min_p": 0.05},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_many_draws_have_the_filtered_distribution(options):
    logits = torch.tensor([0.3, 2.0, -1.0, 1.2, 0.0, -4.0, 1.2], dtype=torch.float64)
    scores = filtered(logits, Options(**options))
    n = 50_000
    uniform = torch.rand(n, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    counts = draw(scores.expand(n, -1), uniform).bincount(minlength=7).double()
    assert tail(counts, scores.softmax(-1)) > 1e-3
    even = torch.full((7,), 1 / 7, dtype=torch.float64)
    assert len(options) == 1 or tail(counts, even) < 1e-9 or (counts == 0).any()


@pytest.mark.parametrize("options", [{}, {"temperature": 0.7, "top_p": 0.95}], ids=str)
def test_samples_of_a_model_have_its_distribution(make, options):
    """Pairs of tokens, by the product of the two filtered distributions."""
    model, n = make(dtype="float64", by=0.5), 3000
    texts = complete(generate(model, None, [[1, 2]], max_new_tokens=2, samples=n, batch=n, **options))
    counts = torch.zeros(16, dtype=torch.float64)
    for text in texts:
        counts[4 * text.tokens[0] + text.tokens[1]] += 1

    def following(*ids):
        with torch.no_grad():
            return filtered(model(torch.tensor([[1, 2, *ids]]))[0][0, -1], Options(**options)).softmax(-1)

    exact = torch.cat([following()[a] * following(a) for a in range(4)])
    assert tail(counts, exact) > 1e-3
    assert tail(counts + counts[0], torch.full((16,), 1 / 16, dtype=torch.float64)) < 1e-9


def test_the_ends_of_the_interval_give_tokens_that_can_be():
    logits = torch.tensor([-torch.inf, 0.0, -torch.inf, 0.0, -torch.inf])
    below_one = torch.tensor(1.0, dtype=torch.float64).nextafter(torch.tensor(0.0, dtype=torch.float64))
    for uniform, token in ((0.0, 1), (0.4999, 1), (0.5, 3), (0.9999, 3), (below_one, 3)):
        assert draw(logits, torch.as_tensor(uniform, dtype=torch.float64)).item() == token
    one_of_many = torch.full((50_000,), -torch.inf).index_fill(0, torch.tensor([7]), 0.0)
    assert draw(one_of_many, below_one).item() == 7


def test_numbers_are_those_of_seed_prompt_and_sample():
    def first(*which):
        numbers = uniforms(*which)
        return [next(numbers) for _ in range(200)]

    assert first(0, [1, 2], 0) == first(0, [1, 2], 0)
    others = [
        first(0, [1, 2], 0),
        first(1, [1, 2], 0),
        first(0, [1, 2], 1),
        first(0, [12], 0),
        first(0, [2, 1], 0),
    ]
    assert len({tuple(numbers) for numbers in others}) == len(others)
    assert all(0 <= number < 1 for numbers in others for number in numbers)
