"""The suite as a parametrised pytest: one case a property, a waived one skipped with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from blocks import Mixer
from blocks_compiler.backends.module import check_component
from blocks_compiler.conformance.cases import CASES, Case
from blocks_compiler.conformance.subject import Subject
from blocks_compiler.conformance.surroundings import require_capabilities
from blocks_compiler.conformance.waivers import waivers


def make_test(mixer: Mixer, *, waive: Mapping[str, str], d_model: int, seed: int) -> Callable[..., Any]:
    """The function behind `blocks.testing.conformance`, which says what it takes and raises."""
    require_capabilities(mixer)
    check_component(mixer, d_model)
    subject = Subject(mixer, d_model, seed)
    waived = waivers(subject, waive)

    @pytest.mark.parametrize("case", [parameter(case, waived) for case in CASES if case.applies(subject)])
    def test(case: Case) -> None:
        case.check(subject)

    test.__doc__ = f"Conformance of {mixer!r} at d_model = {d_model}."
    return test


def parameter(case: Case, waive: Mapping[str, str]) -> Any:
    """A case as a parameter; skipped where it is waived."""
    marks = [pytest.mark.skip(reason=f"waived: {waive[case.name]}")] if case.name in waive else []
    return pytest.param(case, id=case.name, marks=marks)
