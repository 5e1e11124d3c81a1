"""The moving average of weights: its sum, torch's own recurrence, swapping it in, going on from it."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from blocks_train.optim.average import Average


def walk(model: nn.Module, steps: int) -> list[torch.Tensor]:
    """Move the weights at random, and return what they were after every move."""
    seen = []
    for _ in range(steps):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        seen.append(next(model.parameters()).detach().clone())
    return seen


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(3, 2)


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_it_is_the_weighted_mean_of_what_it_was_shown(model: nn.Module, decay: float) -> None:
    average = Average(model, decay)
    seen = []
    for n in range(1, 30):
        seen += walk(model, 1)
        average.update(model)
        weights = torch.tensor([decay ** (n - i) for i in range(1, n + 1)], dtype=torch.float64)
        mean = torch.einsum("n,n...->...", weights / weights.sum(), torch.stack(seen).double())
        torch.testing.assert_close(average.weights["weight"].double(), mean, rtol=1e-5, atol=1e-6)


def test_the_weights_before_training_have_no_part_in_it(model: nn.Module) -> None:
    average = Average(model, 0.99)
    first = walk(model, 1)[0]
    assert average.rate == 1
    average.update(model)
    assert torch.equal(average.weights["weight"], first)


def test_it_is_torchs_without_the_weight_of_the_first(model: nn.Module) -> None:
    """torch starts at w_1, so t_n = (1 - β^n) a_n + β^n w_1."""
    decay, steps = 0.9, 25
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
    ours = Average(model, decay)
    first = walk(model, 1)[0]
    theirs.update_parameters(model)
    ours.update(model)
    for n in range(2, steps):
        walk(model, 1)
        theirs.update_parameters(model)
        ours.update(model)
        expected = (1 - decay**n) * ours.weights["weight"] + decay**n * first
        torch.testing.assert_close(theirs.module.weight.detach(), expected, rtol=1e-5, atol=1e-6)


def test_a_small_step_is_not_lost_to_rounding(model: nn.Module) -> None:
    average = Average(model, 0.9999)
    assert average.rate == 1
    average.count = 1
    assert average.rate == pytest.approx(1 / 1.9999, rel=1e-12)
    average.count = 10**9
    assert average.rate == pytest.approx(1e-4, rel=1e-9)


def test_it_stands_in_for_the_weights_and_gives_them_back(model: nn.Module) -> None:
    average = Average(model, 0.9)
    with average.instead(model):  # nothing was shown yet
        own = model.weight.detach().clone()
    assert torch.equal(model.weight, own)
    for _ in range(3):
        walk(model, 1)
        average.update(model)
    own = model.weight.detach().clone()
    parameters = list(model.parameters())
    with average.instead(model):
        assert torch.equal(model.weight, average.weights["weight"])
        assert not torch.equal(model.weight, own)
    assert torch.equal(model.weight, own)
    with pytest.raises(KeyboardInterrupt), average.instead(model):
        raise KeyboardInterrupt
    assert torch.equal(model.weight, own)
    assert all(a is b for a, b in zip(parameters, model.parameters(), strict=True))  # an optimizer holds them


def test_it_is_float32_whatever_the_model_is() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2, dtype=torch.bfloat16)
    average = Average(model, 0.9)
    average.update(model)
    assert {tensor.dtype for tensor in average.weights.values()} == {torch.float32}
    with average.instead(model):
        assert model.weight.dtype == torch.bfloat16


def test_it_goes_on_bit_by_bit(model: nn.Module) -> None:
    one = Average(model, 0.9)
    for _ in range(4):
        walk(model, 1)
        one.update(model)
    other = Average(model, 0.9)
    other.load({name: tensor.clone() for name, tensor in one.weights.items()}, one.count)
    walk(model, 1)
    one.update(model)
    other.update(model)
    assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


def test_another_models_average_is_refused(model: nn.Module) -> None:
    with pytest.raises(ValueError, match="bias is in one of them only"):
        Average(model, 0.9).load({"weight": torch.zeros(2, 3)}, 1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        Average(model, 1.0)
