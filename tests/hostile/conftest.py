"""The corpus and the mutations, files without a package because a benchmark reads them too."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


def load(path: Path) -> ModuleType:
    if str(HERE) not in sys.path:
        sys.path.append(str(HERE))
    spec = importlib.util.spec_from_file_location(f"hostile_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CORPUS = load(HERE / "corpus.py").TEXTS


@pytest.fixture(scope="session")
def corpus() -> dict[str, tuple[str | bytes, str]]:
    """Name -> text and code of its refusal."""
    found: dict[str, tuple[str | bytes, str]] = CORPUS
    return found


@pytest.fixture(scope="session")
def mutations() -> ModuleType:
    """What makes wrong recipes of good ones."""
    return load(HERE / "mutations.py")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for `hostile` each name of the corpus."""
    if "hostile" in metafunc.fixturenames:
        metafunc.parametrize("hostile", CORPUS)
