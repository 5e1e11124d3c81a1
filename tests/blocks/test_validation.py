"""Pydantic's findings in the project's words."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from blocks.validation import Path, report_validation


class Inner(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    width: int = Field(gt=0, description="how wide")
    kind: Literal["pre", "post"] = "pre"


class Outer(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    inner: Inner | None = None
    many: list[Inner] = Field(default_factory=list, max_length=3)
    either: int | str = 0
    rate: float = 0.0
    name: str = Field("a", pattern="^[a-z]+$")
    named: dict[Annotated[str, Field(pattern="^[a-z]+$")], int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _both(self) -> Outer:
        if self.rate and self.either:
            raise ValueError("rate and either exclude each other")
        return self


def found(value: dict[str, Any]) -> list[tuple[str, str, Path, str | None]]:
    reports: list[tuple[str, str, Path, str | None]] = []

    def report(code: str, message: str, path: Path, *, key: bool = False, help: str | None = None) -> None:
        reports.append((code, message, path, help))

    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(value)
    report_validation(caught.value, value, Outer, ("here",), report)
    return reports


MAPPING = "a mapping is written {key: value}, or as lines of `key: value`"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"iner": 1}, ("B0201", "unknown key 'iner'", ("here", "iner"), "did you mean 'inner'?")),
        ({"inner": {}}, ("B0202", "the key 'width' is missing", ("here", "inner"), "add width: how wide")),
        (
            {"inner": {"width": 1, "widht": 2}},
            ("B0201", "unknown key 'widht'", ("here", "inner", "widht"), "did you mean 'width'?"),
        ),
        ({"inner": 3}, ("B0203", "expected a mapping, found 3", ("here", "inner"), MAPPING)),
        (
            {"inner": {"width": 0}},
            (
                "B0302",
                "width is 0, and has to be greater than 0",
                ("here", "inner", "width"),
                "width: how wide",
            ),
        ),
        (
            {"inner": {"width": 1.5}},
            ("B0203", "expected a whole number, found 1.5", ("here", "inner", "width"), "width: how wide"),
        ),
        (
            {"inner": {"width": 1, "kind": "pst"}},
            ("B0205", "'pst' is not one of pre, post", ("here", "inner", "kind"), "did you mean 'post'?"),
        ),
        (
            {"many": [{"width": 1}, {"width": "a"}]},
            ("B0203", "expected a whole number, found 'a'", ("here", "many", 1, "width"), "width: how wide"),
        ),
        (
            {"many": 4},
            (
                "B0203",
                "expected a list, found 4",
                ("here", "many"),
                "a list is written [a, b], or as lines of `- a`",
            ),
        ),
        (
            {"either": [1]},
            (
                "B0203",
                "expected a whole number or an expression, found a list",
                ("here", "either"),
                "leave it out, or replace it",
            ),
        ),
        (
            {"either": None},
            (
                "B0203",
                "expected a whole number or an expression, found nothing",
                ("here", "either"),
                "write a whole number or an expression here",
            ),
        ),
        ({"rate": float("nan")}, ("B0302", "rate is nan, and has to be finite", ("here", "rate"), None)),
        (
            {"name": "A b"},
            ("B0206", "'A b' is not a name", ("here", "name"), "letters, digits and _ . + - make a name"),
        ),
        ({"rate": 1.0, "either": 1}, ("B0204", "rate and either exclude each other", ("here",), None)),
    ],
)
def test_findings(value: dict[str, Any], expected: tuple[str, str, Path, str | None]) -> None:
    assert found(value) == [expected]


def test_a_long_value_is_shortened() -> None:
    ((_, message, _, _),) = found({"rate": "x" * 500})
    assert len(message) < 120


def test_a_key_that_is_no_name() -> None:
    help = "letters, digits and _ . + - make a name"
    assert found({"named": {"A b": 1}}) == [("B0206", "'A b' is not a name", ("here", "named", "A b"), help)]
    (long, *_) = found({"named": {"A" * 300: 1, "B": "x"}})
    assert len(long[1]) < 100


def test_of_very_many_findings_the_first_are_looked_at() -> None:
    assert len(found({"named": {f"n{'a' * (i % 7)}{i}": "x" for i in range(5000)}})) <= 2000
