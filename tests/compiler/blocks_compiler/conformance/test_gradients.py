"""Custom ops: a toy that calls one, and mutants of what is registered with it."""

import pytest

from blocks_compiler.conformance.cases import CASES
from blocks_compiler.conformance.measure import Violation
from blocks_compiler.conformance.subject import Subject

BY_NAME = {case.name: case for case in CASES}
PROJECT = "u = self.in_proj(x).to(wide)"
IMPORT = "from torch._higher_order_ops.scan import scan\n"
FAKE = "return torch.empty_like(x)"
BACKWARD = "twice.register_autograd(lambda ctx, gradient: 2 * gradient)"
OP = f"""

def registered():
    @torch.library.custom_op("PACKAGE::twice", mutates_args=())
    def twice(x: Tensor) -> Tensor:
        return 2 * x

    @twice.register_fake
    def shape(x):
        {FAKE}

    {BACKWARD}
    return twice


twice = registered()
"""
MUTANTS = {
    "a fake of another shape": (FAKE, "return x.new_empty(x.shape[0], 2 * x.shape[1], x.shape[2])"),
    "a fake of another dtype": (FAKE, "return torch.empty_like(x, dtype=torch.float64)"),
    "no gradient": (BACKWARD, "pass"),
    "an input that changes": ("return 2 * x", "return 2 * x.mul_(1.5)"),
}


@pytest.fixture
def doubled(fade, request):
    """The toy, whose inputs go through a custom op; every toy has an op of another name."""

    def make(*changes):
        text = OP.replace("PACKAGE", f"toy_ops_{abs(hash((request.node.name, changes)))}")
        for old, new in changes:
            assert text.count(old) == 1
            text = text.replace(old, new)
        return Subject(fade((IMPORT, IMPORT + text), (PROJECT, f"{PROJECT}; u = twice(u)"))(), 8)

    return make


@pytest.mark.parametrize("name", ["opcheck", "gradcheck", "compiles", "exports", "shape", "stands_alone"])
def test_the_toy_with_an_op_holds(doubled, name):
    BY_NAME[name].check(doubled())


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutant_is_killed(doubled, mutant):
    with pytest.raises(Violation, match="fails torch"):
        BY_NAME["opcheck"].check(doubled(MUTANTS[mutant]))
