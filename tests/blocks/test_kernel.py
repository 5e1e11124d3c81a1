"""Kernels: one that says nothing runs anywhere, targets can be compared, and one is chosen for all that use an op."""

import statistics

import pytest

from blocks import Kernel, Mixer, Register, Registry, Target, hookimpl
from blocks.kernel import choose, implementations


@pytest.mark.parametrize("target", [Target(), Target("cuda", "bfloat16"), Target("meta", "float64")])
def test_a_kernel_that_says_nothing_runs_and_is_preferred_anywhere(target: Target) -> None:
    kernel = Kernel("strange.kernels:mix")
    assert kernel.runs(target, Mixer())
    assert kernel.prefers(target, Mixer())


def test_a_target_is_a_cpu_in_float32_unless_told() -> None:
    assert Target() == Target("cpu", "float32")
    assert len({Target(), Target("cpu"), Target("cuda")}) == 2


CPU, CUDA = Target(), Target("cuda", "bfloat16")
FAST = Kernel("statistics:mean", runs=lambda target, _: target.device == "cuda")
SLOW = Kernel("statistics:median", prefers=lambda target, component: False)
TABLE = {"reference": Kernel("statistics:fmean"), "slow": SLOW, "fast": FAST}


@pytest.mark.parametrize(
    ("target", "policy", "name"),
    [
        (CUDA, "auto", "fast"),  # slow runs, and is not preferred
        (CPU, "auto", "reference"),
        (CPU, "slow", "slow"),
        (CPU, "fast", "reference"),  # it does not run there
        (CUDA, "reference", "reference"),
        (CUDA, "other", "reference"),
    ],
)
def test_what_is_named_where_it_runs_else_what_prefers_the_target(
    target: Target, policy: str, name: str
) -> None:
    assert choose(TABLE, [Mixer(), Mixer()], target, policy) == name


def test_all_users_have_to_agree() -> None:
    class Other(Mixer):
        pass

    some = Kernel("statistics:mean", runs=lambda _, component: isinstance(component, Other))
    table = {"reference": Kernel("statistics:fmean"), "some": some}
    assert choose(table, [Other()], CPU) == "some"
    assert choose(table, [Other(), Mixer()], CPU) == "reference"


def test_implementations_are_those_of_the_op_and_load_their_function() -> None:
    class Plugin:
        @staticmethod
        @hookimpl
        def register_kernels(register: Register) -> None:
            register("mean/reference", TABLE["reference"])
            register("mean/fast", FAST)
            register("mean_of_all/reference", SLOW)

    found = implementations(Registry([]).with_plugin(Plugin), "mean")
    assert list(found) == ["reference", "fast"]
    assert found["fast"].load() is statistics.mean
    assert implementations(Registry([]), "mean") == {}
