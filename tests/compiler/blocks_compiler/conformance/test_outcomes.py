"""The suite without pytest."""

import pytest

from blocks_compiler.conformance.cases import CASES
from blocks_compiler.conformance.outcomes import outcomes
from blocks_compiler.conformance.subject import Subject
from blocks_compiler.conformance.waivers import waivers


def test_every_case_has_an_outcome(fade):
    found = list(outcomes(Subject(fade()(), 8), {"flops": "counted by hand"}))
    assert [outcome.case for outcome in found] == list(CASES)
    by_name = {outcome.case.name: (outcome.result, outcome.reason) for outcome in found}
    assert by_name["flops"] == ("waived", "counted by hand")
    assert by_name["memory_needed"] == ("does not apply", "it reads no memory")
    assert by_name["any_split"] == ("ok", "")
    assert {result for result, _ in by_name.values()} == {"ok", "waived", "does not apply"}


def test_what_is_missing_is_named(fade):
    subject = Subject(fade(('"causal", "cached", "padded"', '"padded"'))(), 8)
    found = {
        outcome.case.name: outcome.reason
        for outcome in outcomes(subject, {})
        if outcome.result == "does not apply"
    }
    assert found["causal_gradient"] == "causal is not declared"
    assert found["any_split"] == "cached and causal are not declared"


def test_an_exception_fails_its_own_case(fade):
    found = outcomes(Subject(fade(("u = self.in_proj(x).to(wide)", "u = 1 / 0"))(), 8), {})
    reasons = {outcome.case.name: outcome.reason for outcome in found if outcome.result == "failed"}
    assert reasons["shape"] == "ZeroDivisionError: division by zero"
    assert "parameters" not in reasons


def test_a_declaration_waives_what_cannot_hold(fade):
    waive = ("    def cost", "    def waivers(self):\n        return {'flops': 'by hand'}\n\n    def cost")
    subject = Subject(fade(waive)(), 8)
    assert waivers(subject, {"shape": "why not"}) == {"flops": "by hand", "shape": "why not"}
    assert waivers(subject, {"flops": "another reason"}) == {"flops": "another reason"}


def test_a_declaration_cannot_waive_what_is_no_case(fade):
    waive = ("    def cost", "    def waivers(self):\n        return {'flop': 'by hand'}\n\n    def cost")
    with pytest.raises(ValueError, match="no case is called 'flop'; did you mean 'flops'"):
        waivers(Subject(fade(waive)(), 8), {})
