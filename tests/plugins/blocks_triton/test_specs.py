"""Where the Triton kernels say that they run."""

import pytest

from blocks import Mixer, Target
from blocks_triton import specs


@pytest.mark.parametrize(
    ("device", "dtype", "interpret", "runs", "prefers"),
    [
        ("cuda", "float32", "", True, True),
        ("cuda", "bfloat16", "", True, True),
        ("cuda", "float64", "", False, True),
        ("cpu", "float32", "", False, False),
        ("cpu", "float32", "0", False, False),
        ("cpu", "float32", "1", True, False),
        ("cpu", "float64", "1", False, False),
        ("meta", "float32", "1", False, False),
    ],
)
def test_runs(
    monkeypatch: pytest.MonkeyPatch, device: str, dtype: str, interpret: str, runs: bool, prefers: bool
) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", interpret)
    monkeypatch.setattr(specs, "find_spec", lambda name: object())
    assert specs.runs(Target(device, dtype), Mixer()) is runs
    assert specs.prefers(Target(device, dtype), Mixer()) is prefers


def test_without_triton_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specs, "find_spec", lambda name: None)
    assert not specs.runs(Target("cuda", "float32"), Mixer())
