"""The devices that the kernels are tested on."""

from types import ModuleType

import pytest


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> str:
    """Every numerical test runs on both, on CPU through the interpreter."""
    torch = pytest.importorskip("torch")
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return str(request.param)


@pytest.fixture(scope="session")
def triton_ready() -> ModuleType:
    """Triton itself; an error if something imported it before the environment was set (tests/conftest.py)."""
    triton = pytest.importorskip("triton")
    interpreted = not isinstance(triton.language.standard.cdiv, triton.JITFunction)
    wanted = bool(triton.knobs.runtime.interpret)
    assert interpreted == wanted, "triton was imported before TRITON_INTERPRET was set"
    assert isinstance(triton, ModuleType)
    return triton
