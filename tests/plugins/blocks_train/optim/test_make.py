"""Optimizers: torch's, with the options of the declaration, and the rate of a schedule."""

from __future__ import annotations

import copy
import importlib
from typing import Any

import pytest
import torch
from torch import Tensor

import blocks
from blocks import Optimizer, Registry, Sizes
from blocks_train.optim.make import set_rate
from blocks_train.optim.specs import SGD, AdamW


def make(optimizer: Optimizer, model: torch.nn.Module) -> torch.optim.Optimizer:
    module, _, name = optimizer.module.partition(":")
    made: torch.optim.Optimizer = getattr(importlib.import_module(module), name)(model, optimizer.options())
    return made


class Two(torch.nn.Module):
    """A matrix that decays, and a bias that does not."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = torch.nn.Parameter(torch.tensor([[2.0, -1.0]], dtype=torch.float64))
        self.bias = torch.nn.Parameter(torch.tensor([0.5], dtype=torch.float64))


GRADIENTS = [0.3, -0.2, 0.7, 0.1, -0.4]


def run(optimizer: torch.optim.Optimizer, model: Two) -> tuple[Tensor, Tensor]:
    for number in GRADIENTS:
        model.matrix.grad = torch.full_like(model.matrix, number)
        model.bias.grad = torch.full_like(model.bias, number)
        optimizer.step()
    return model.matrix.detach(), model.bias.detach()


def test_adamw_is_algorithm_2_of_its_paper() -> None:
    """Loshchilov and Hutter 2017, arXiv:1711.05101, algorithm 2, with the rate as torch has it: lr λ w."""
    lr, beta1, beta2, eps, decay = 0.1, 0.8, 0.95, 1e-6, 0.3
    model = Two()
    declared = AdamW(lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=decay)
    start = {True: torch.tensor([[2.0, -1.0]]).double(), False: torch.tensor([0.5]).double()}
    found = run(make(declared, model), model)
    for decayed, got in zip((True, False), found, strict=True):
        w, m, v = start[decayed].clone(), 0.0, 0.0
        for n, g in enumerate(GRADIENTS, start=1):
            m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
            step = (m / (1 - beta1**n)) / ((v / (1 - beta2**n)) ** 0.5 + eps)
            w = w - lr * step - (lr * decay * w if decayed else 0)
        torch.testing.assert_close(got, w, rtol=1e-12, atol=0)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_sutskevers_with_the_rate_outside(nesterov: bool) -> None:
    lr, mu, decay = 0.1, 0.9, 0.2
    model = Two()
    found = run(make(SGD(lr=lr, momentum=mu, nesterov=nesterov, weight_decay=decay), model), model)
    for decayed, got, start in zip((True, False), found, ([[2.0, -1.0]], [0.5]), strict=True):
        w, velocity = torch.tensor(start).double(), None
        for number in GRADIENTS:
            g = number + (decay * w if decayed else 0 * w)
            velocity = g if velocity is None else mu * velocity + g
            w = w - lr * (g + mu * velocity if nesterov else velocity)
        torch.testing.assert_close(got, w, rtol=1e-12, atol=0)


def test_a_schedule_scales_every_group() -> None:
    optimizer = make(AdamW(lr=0.5), Two())
    optimizer.param_groups[1]["initial_lr"] = 0.1
    set_rate(optimizer, 0.5)
    set_rate(optimizer, 0.2)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.1, 0.02])


def test_a_state_goes_on_where_it_stopped() -> None:
    """A new optimizer with the old one's state makes the same step: nothing is kept beside it."""
    torch.manual_seed(0)
    one, other = blocks.build("hybrid-tiny"), blocks.build("hybrid-tiny")
    first, second = make(AdamW(), one), make(AdamW(), other)
    for parameter in one.parameters():
        parameter.grad = torch.randn_like(parameter)
    first.step()
    other.load_state_dict(one.state_dict())
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        b.grad = a.grad
    first.step()
    second.step()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def declarations() -> list[Any]:
    return [pytest.param(e.load(), id=e.name) for e in Registry.installed(plugins=False).of_kind("optimizer")]


@pytest.mark.parametrize("cls", declarations())
def test_every_optimizer_takes_its_defaults_and_says_how_its_groups_began(cls: type[Optimizer]) -> None:
    declared = cls()
    assert not list(declared.check(Sizes(d_model=64)))
    made = make(declared, Two())
    assert [group["initial_lr"] for group in made.param_groups] == [declared.lr] * 2
    assert [group["param_names"] for group in made.param_groups] == [["matrix"], ["bias"]]


@pytest.mark.parametrize("cls", declarations())
def test_a_step_is_one_pass_where_torch_has_it(cls: type[Optimizer]) -> None:
    """The same weights as those of torch's plain loop, up to the rounding of its terms."""
    torch.manual_seed(0)
    one, other = torch.nn.Linear(64, 64), torch.nn.Linear(64, 64)
    other.load_state_dict(one.state_dict())
    fused, plain = make(cls(), one), make(cls(), other)
    for group in plain.param_groups:
        group["fused"], group["foreach"] = None, False
    assert all(group["fused"] for group in fused.param_groups)
    for _ in range(5):
        for a, b in zip(one.parameters(), other.parameters(), strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        fused.step()
        plain.step()
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)
    assert not any(group["fused"] for group in make(cls(), torch.nn.Linear(2, 2, device="meta")).param_groups)
