"""Tiny models of transformers and what is measured of them: files that benchmarks/interchange reads too."""

import importlib.util
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
HERE = Path(__file__).parents[3] / "benchmarks" / "interchange"


if str(HERE) not in sys.path:
    sys.path.append(str(HERE))


def load(path: Path) -> ModuleType:
    """A file without a package, under a name that nothing else has."""
    spec = importlib.util.spec_from_file_location(f"interchange_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def quiet() -> None:
    """No messages of transformers about tiny vocabularies."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)


@pytest.fixture(scope="session")
def measure() -> ModuleType:
    """What is measured of a peer."""
    return importlib.import_module("measure")


@pytest.fixture(scope="session")
def peers() -> Callable[[str], Any]:
    """The peers of a family."""
    return lambda family: load(HERE / "peers" / f"{family}.py").PEERS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A case for each peer of each family."""
    if "peer" in metafunc.fixturenames:
        found = {path.stem: load(path).PEERS for path in sorted((HERE / "peers").glob("*.py"))}
        cases = [(f"{family}-{peer.name}", peer) for family, peers in found.items() for peer in peers]
        metafunc.parametrize("peer", [peer for _, peer in cases], ids=[name for name, _ in cases])
