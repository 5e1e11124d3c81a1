"""Order: a toy to which it does not matter, and mutants to which it does."""

import pytest

from blocks_attention.specs import MultiHead
from blocks_compiler.conformance.cases import CASES
from blocks_compiler.conformance.measure import Violation
from blocks_compiler.conformance.outcomes import outcomes
from blocks_compiler.conformance.subject import Subject
from blocks_positions.specs import RoPE

BY_NAME = {case.name: case for case in CASES}
PROJECT = "return self.out_proj((wide - mean).to(x.dtype)), None"

MUTANTS = {
    "a weight that falls with the position": (
        "permutation", (PROJECT, f"wide = wide / (1 + 0.01 * torch.arange(x.shape[1])[:, None]); {PROJECT}"),
    ),
    "a look at the neighbour": ("permutation", (PROJECT, f"wide = wide + 1e-6 * wide.roll(1, dims=1); {PROJECT}")),
    "padding where it is looked for at the end": (
        "permutation", ("(wide * real[..., None])", "(wide * (torch.arange(x.shape[1]) < count[..., 0])[..., None])"),
    ),
    "a mean of the past": (
        "sight", ("(wide * real[..., None]).sum(dim=1, keepdim=True)", "(wide * real[..., None]).cumsum(dim=1)"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.needs <= {"padded"} and not case.reads and case.name != "inside"]
)
def test_the_toy_holds_every_case(centre, case):
    case.check(Subject(centre()(), 8))


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutant_is_killed(centre, mutant):
    name, *changes = MUTANTS[mutant]
    with pytest.raises(Violation):
        BY_NAME[name].check(Subject(centre(*changes)(), 8))


def test_a_mixer_that_rotates_its_queries_is_killed():
    class Orderless(MultiHead):
        """A false claim."""

        def equivariant(self) -> bool:
            return True

    with pytest.raises(Violation, match="tokens in another order"):
        BY_NAME["permutation"].check(Subject(Orderless(n_heads=2, mask="bidirectional", position=RoPE()), 16))


def test_only_those_that_declare_it_are_asked(fade):
    (outcome,) = outcomes(Subject(fade()(), 8), {}, [BY_NAME["permutation"]])
    assert (outcome.result, outcome.reason) == ("does not apply", "it is not declared")
    (outcome,) = outcomes(
        Subject(MultiHead(n_heads=2, mask="bidirectional"), 8), {}, [BY_NAME["permutation"]]
    )
    assert outcome.result == "ok"
