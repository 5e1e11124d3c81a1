"""The cases of mixers that read a memory, tested by the mutants that they kill."""

import pytest

from blocks.testing import conformance
from blocks_attention.specs import MultiHead
from blocks_compiler.conformance.cases import CASES
from blocks_compiler.conformance.measure import Violation
from blocks_compiler.conformance.subject import Subject

BY_NAME = {case.name: case for case in CASES}
READ = "values, real = memory"
MASK = "scores = scores.masked_fill(~real[:, None], -1e30)"
STATE = "keys, values, real = state"
GIVEN = "if state is None:"
NONE = 'raise ValueError("no memory")'

MUTANTS = {
    "an output without a memory": ("memory_needed", (NONE, "memory = x.new_ones(len(x), 1, 10), None")),
    "a memory that is not read": ("memory_gradient", (READ, "values, real = torch.ones_like(memory[0]), memory[1]")),
    "a memory read behind detach": ("memory_gradient", (READ, "values, real = memory[0].detach(), memory[1]")),
    "padding of the memory that is read": ("memory_padding", (MASK, "pass")),
    "padding that pulls a little": ("memory_gradient", (MASK, MASK.replace("-1e30", "-20.0"))),
    "a memory of one row for all": (
        "memory_rows", (READ, "values, real = memory[0][:1].expand(len(x), -1, -1), memory[1]"),
    ),
    "nothing where a memory is padding alone": (
        "memory_rows", (MASK, "scores = scores.masked_fill(~real[:, None], float('-inf'))"),
    ),
    "the memory read again beside a state": ("memory_kept", (GIVEN, "if state is None or memory is not None:")),
    "a memory declared as part of each step": (
        "step_flops", ("step=2 * D * D + 4 * D * S", "step=2 * D * D + 4 * D * S + 4 * M * D * S"),
    ),
    "projections of the memory left out": ("flops", (" + 4 * M * D * S", "")),
    "a state that counts the stream": ("state_size", ("state=2 * D * S", "state=2 * D * T")),
    "a state without the values": ("memory_kept", (STATE, "keys, values, real = state; values = values * len(x[0])")),
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [case.name for case in CASES if not case.needs & {"packed"} and not case.when and not case.method]
)
def test_the_toy_holds_every_case(recall, name):
    BY_NAME[name].check(Subject(recall()().reading(10), 8))


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutant_is_killed(recall, mutant):
    name, *changes = MUTANTS[mutant]
    with pytest.raises(Violation) as caught:
        BY_NAME[name].check(Subject(recall(*changes)().reading(10), 8))
    assert str(caught.value)


def test_only_readers_are_asked_about_a_memory():
    def names(mixer):
        (mark,) = conformance(mixer, d_model=8).pytestmark
        return {param.id for param in mark.args[1]}

    asked = {name for name in BY_NAME if name.startswith("memory_")}
    assert len(asked) == 5
    assert not asked & names(MultiHead(n_heads=2))
    assert asked <= names(MultiHead(n_heads=2).reading(10))
    assert not asked & names(MultiHead(n_heads=2).borrowing())
