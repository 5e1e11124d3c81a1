"""Scores against Keras' layers and against their formulas, in double precision."""

import math

import pytest
import torch
from torch import Tensor, nn

from blocks_recurrent.scores import AdditiveScore, DotScore, GeneralScore

B, T, S, Q, M, H = 3, 4, 5, 6, 7, 8


def stirred(score: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for weight in score.parameters():
        nn.init.normal_(weight, generator=generator)
    return score.double()


def inputs(key_width: int = M) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    sizes = ((B, T, Q), (B, S, key_width))
    queries, memory = (torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes)
    return queries, memory


def scores_of(score: nn.Module, queries: Tensor, memory: Tensor) -> Tensor:
    return score(queries, score.keys(memory))


def assert_same(ours: Tensor, theirs: Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@torch.no_grad()
def test_additive_is_keras_additive_attention(keras):
    """Keras' layer has v alone, so queries and keys are projected before it; to 1e-6 in single precision."""
    score = stirred(AdditiveScore(Q, M, hidden=H)).float()
    queries, memory = (t.float() for t in inputs())
    mask = torch.ones(B, S, dtype=torch.bool)
    mask[0, :2], mask[1, 3:] = False, False
    layer = keras.layers.AdditiveAttention(use_scale=True)
    given = [queries @ score.W.T, memory @ score.U.T]
    layer.build([tuple(t.shape) for t in given])
    layer.set_weights([score.v.numpy()])
    _, theirs = layer(given, mask=[None, mask], return_attention_scores=True)
    ours = scores_of(score, queries, memory).masked_fill(~mask[:, None], -math.inf).softmax(-1)
    assert_same(ours, theirs, tolerance=1e-6)


@torch.no_grad()
def test_scaled_dot_is_keras_attention_with_that_scale(keras):
    queries, memory = (t.float() for t in inputs(Q))
    layer = keras.layers.Attention(use_scale=True)
    layer.build([tuple(t.shape) for t in (queries, memory)])
    layer.set_weights([torch.tensor(Q**-0.5).numpy()])
    _, theirs = layer([queries, memory], return_attention_scores=True)
    assert_same(scores_of(DotScore(Q, Q, scaled=True), queries, memory).softmax(-1), theirs, tolerance=1e-6)


def additive(score: nn.Module, s: Tensor, h: Tensor) -> Tensor:
    """Bahdanau et al. 2014, A.1.2; OpenNMT's GlobalAttention of type "mlp" is the same formula."""
    return score.v @ torch.tanh(score.W @ s + score.U @ h)


FORMULAS = {
    "additive": (lambda: AdditiveScore(Q, M, hidden=H), M, additive),
    "dot": (lambda: DotScore(Q, Q), Q, lambda score, s, h: s @ h),
    "scaled_dot": (lambda: DotScore(Q, Q, scaled=True), Q, lambda score, s, h: s @ h / math.sqrt(Q)),
    "general": (lambda: GeneralScore(Q, M), M, lambda score, s, h: s @ score.key_proj.weight @ h),
}


@torch.no_grad()
@pytest.mark.parametrize("name", FORMULAS)
def test_each_pair_by_its_formula(name):
    make, key_width, formula = FORMULAS[name]
    score = stirred(make())
    queries, memory = inputs(key_width)
    ours = scores_of(score, queries, memory)
    assert ours.shape == (B, T, S)
    for b in range(B):
        for t in range(T):
            for j in range(S):
                assert_same(ours[b, t, j], formula(score, queries[b, t], memory[b, j]))


def test_keys_are_the_memory_where_nothing_is_projected():
    _, memory = inputs(Q)
    assert DotScore(Q, Q).keys(memory) is memory


def test_dot_refuses_widths_that_have_no_product():
    with pytest.raises(ValueError, match="queries of 6 channels have no product with keys of 7"):
        DotScore(6, 7)


def test_additive_starts_as_the_authors_and_can_learn_at_once():
    score = AdditiveScore(200, 300, hidden=400)
    score.init_weights(torch.Generator().manual_seed(0))
    assert score.W.std().item() == pytest.approx(1e-3, rel=0.02)
    assert score.U.std().item() == pytest.approx(1e-3, rel=0.02)
    scores_of(score, torch.randn(1, 1, 200), torch.randn(1, 2, 300)).sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in score.parameters())
