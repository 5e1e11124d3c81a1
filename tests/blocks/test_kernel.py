"""Kernels: one that says nothing runs anywhere, and targets can be compared."""

import pytest

from blocks import Kernel, Mixer, Target


@pytest.mark.parametrize("target", [Target(), Target("cuda", "bfloat16"), Target("meta", "float64")])
def test_a_kernel_that_says_nothing_runs_and_is_preferred_anywhere(target: Target) -> None:
    kernel = Kernel("strange.kernels:mix")
    assert kernel.runs(target, Mixer())
    assert kernel.prefers(target, Mixer())


def test_a_target_is_a_cpu_in_float32_unless_told() -> None:
    assert Target() == Target("cpu", "float32")
    assert len({Target(), Target("cpu"), Target("cuda")}) == 2
