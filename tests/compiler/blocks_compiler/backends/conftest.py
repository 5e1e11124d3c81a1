"""The tiny recipes and their models, built once."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest
from torch import nn

import blocks
from blocks import BlockGraph

RECIPES = Path(__file__).parents[4] / "recipes"
TINY = sorted(path.stem for path in RECIPES.glob("*-tiny.yaml"))
OF_TOKENS = [
    name for name in TINY if blocks.load(RECIPES / f"{name}.yaml").plan().sizes.vocab_size is not None
]
ALL = sorted(path.stem for path in RECIPES.glob("*.yaml"))


@lru_cache
def compiled(name: str) -> BlockGraph:
    return blocks.compile_graph(RECIPES / f"{name}.yaml", kernels="reference")


@lru_cache
def built(name: str, dtype: str = "float32") -> nn.Module:
    from blocks_compiler.backends.module import build_module

    return build_module(compiled(name), dtype=dtype).eval()


@pytest.fixture(params=TINY)
def tiny(request: pytest.FixtureRequest) -> str:
    """The name of each tiny recipe."""
    return str(request.param)


@pytest.fixture(params=OF_TOKENS)
def of_tokens(request: pytest.FixtureRequest) -> str:
    """The name of each tiny recipe that reads tokens: not of those that read images."""
    return str(request.param)


@pytest.fixture(params=ALL)
def recipe(request: pytest.FixtureRequest) -> str:
    """The name of every recipe."""
    return str(request.param)


@pytest.fixture(scope="session")
def tiny_names() -> list[str]:
    """The names of all tiny recipes."""
    return TINY


@pytest.fixture(scope="session")
def graph() -> Callable[[str], BlockGraph]:
    """The graph of a recipe, compiled once, with reference kernels."""
    return compiled


@pytest.fixture(scope="session")
def model() -> Callable[..., nn.Module]:
    """The model of a recipe, built once from seed 0."""
    return built
