"""What stands around a mixer under test: it is given what it declares, and nothing else is taken."""

import pytest
import torch

from blocks import BuildError
from blocks.testing import conformance
from blocks_attention.specs import MultiHead
from blocks_compiler.conformance.cases import CASES
from blocks_compiler.conformance.measure import Violation
from blocks_compiler.conformance.subject import Subject
from blocks_feedforward.specs import MLP

BY_NAME = {case.name: case for case in CASES}


def test_a_module_is_called_as_one_without_a_memory():
    subject = Subject(MultiHead(n_heads=2).reading(10), 8)
    module, x = subject.module(), subject.inputs(2, 5)
    values, mask = subject.around.memory(2, x.dtype, x.device)
    y, state = module(x)
    expected, _ = module.forward(x, memory=(values, mask))
    assert torch.equal(y, expected)
    assert torch.equal(module(x, state, torch.ones(2, 5, dtype=torch.bool))[0], expected)
    assert not mask.all()
    assert set(dict(module.named_parameters())) == {"q_proj.weight", "kv_proj.weight", "out_proj.weight"}


def test_a_borrower_hands_on_its_owners_state():
    subject = Subject(MultiHead(n_heads=2).borrowing(), 8)
    module, x = subject.module(), subject.inputs(2, 5)
    whole, state = module(x)
    _, first = module(x[:, :3])
    rest, last = module(x[:, 3:], first)
    torch.testing.assert_close(rest, whole[:, 3:])
    torch.testing.assert_close(last.keys, state.keys)
    assert set(dict(module.named_parameters())) == {"q_proj.weight", "out_proj.weight"}


@pytest.mark.parametrize(
    ("mixer", "capability"), [(MLP().reading(4), "'cross'"), (MLP().borrowing(), "'borrows'")]
)
def test_a_capability_that_is_not_declared_is_said_at_once(mixer, capability):
    with pytest.raises(BuildError, match=f"does not declare {capability}"):
        conformance(mixer, d_model=8)


def test_an_undeclared_memory_is_not_taken_without_a_word(fade):
    signature = "mask: Tensor | None = None"
    for extra in ("memory", "kv"):
        subject = Subject(fade((signature, f"{signature}, {extra}=None"))(), 8)
        with pytest.raises(Violation, match=f"{extra} is taken without a word"):
            BY_NAME["undeclared"].check(subject)


def test_a_borrower_returns_no_state_of_its_own(fade):
    changes = (
        ('"packed"})', '"borrows"})'),
        ("mask: Tensor | None = None", "mask: Tensor | None = None, kv=None"),
    )
    subject = Subject(fade(*changes)().borrowing(), 8)
    with pytest.raises(Violation, match="a borrower returns a state of its own"):
        BY_NAME["shape"].check(subject)
