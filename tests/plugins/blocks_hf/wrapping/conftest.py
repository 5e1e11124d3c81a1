"""Small models with weights large enough for their choices to differ, and transformers kept quiet."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers.utils import logging

import blocks
import blocks_hf

logging.disable_progress_bar()

CAUSAL = ("gpt2-tiny", "mistral-tiny", "mamba-tiny", "nemotron-h-tiny")
"""Learned positions and tied tables; rotary ones and a window; no attention at all; a hybrid."""


@lru_cache
def lively(name: str) -> nn.Module:
    model = blocks.build(name).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4)
    return model


@lru_cache
def wrapped(name: str, **config: Any) -> Any:
    return blocks_hf.to_transformers(lively(name), **config)


@pytest.fixture(scope="session")
def model() -> Callable[[str], nn.Module]:
    """A model that blocks built, in evaluation mode; made once."""
    return lively


@pytest.fixture(scope="session")
def hf() -> Callable[..., Any]:
    """The same one, wrapped; made once, with the same parameters."""
    return wrapped


@pytest.fixture(params=CAUSAL)
def causal(request: pytest.FixtureRequest) -> str:
    """The name of each causal model."""
    return str(request.param)


@pytest.fixture
def ids() -> Tensor:
    """Token ids int64 [3, 9]."""
    return torch.randint(256, (3, 9), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def left() -> Tensor:
    """An attention mask [3, 9] with padding on the left: 3, 0 and 7 tokens."""
    mask = torch.ones(3, 9, dtype=torch.int64)
    mask[0, :3] = mask[2, :7] = 0
    return mask


@pytest.fixture(autouse=True)
def _gradients_off(request: pytest.FixtureRequest) -> Iterator[None]:
    """No gradients, but where models are trained."""
    with torch.set_grad_enabled(request.path.name == "test_training.py"):
        yield
