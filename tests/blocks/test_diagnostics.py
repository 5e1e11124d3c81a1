"""Errors: what they carry, their order, their exit codes."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from blocks.diagnostics import (
    MAX_PROBLEMS,
    BlocksError,
    BuildError,
    Diagnostic,
    Label,
    PluginError,
    Problems,
    RecipeError,
    Span,
    UsageError,
)

ROOT = Path(__file__).resolve().parents[2]


def heads_problem() -> Diagnostic:
    return Diagnostic(
        "B0307",
        "12 heads do not divide d_model = 512",
        "recipes/hybrid.yaml",
        Span(5, 43, 45),
        help="use 8 or 16 heads, or set head_dim",
    )


def test_json_form() -> None:
    assert json.loads(json.dumps(heads_problem().as_json())) == {
        "code": "B0307",
        "message": "12 heads do not divide d_model = 512",
        "file": "recipes/hybrid.yaml",
        "line": 5,
        "column": 43,
        "help": "use 8 or 16 heads, or set head_dim",
    }
    assert Diagnostic("B0801", "no file").as_json() == {
        "code": "B0801", "message": "no file", "file": None, "line": None, "column": None, "help": None,
    }  # fmt: skip


def test_problems_are_sorted_deduplicated_and_raised_together() -> None:
    problems = Problems("f", "a: 1\nb: 2\n")
    assert not problems
    problems.raise_if_any()
    problems.add("B0202", "second", at=Span(2, 1, 2))
    problems.add("B0201", "first", at=Span(1, 4, 5), label="x", notes=[Label(Span(1, 1, 2), "y")], help="z")
    problems.add("B0202", "second", at=Span(2, 1, 2))
    problems.add("B0204", "the whole file")
    assert problems
    assert len(problems) == 3
    with pytest.raises(RecipeError) as caught:
        problems.raise_if_any()
    assert [d.message for d in caught.value.diagnostics] == ["the whole file", "first", "second"]
    assert "1 | a: 1" in str(caught.value)
    with pytest.raises(BuildError):
        problems.raise_if_any(BuildError)


def test_problems_are_capped_with_a_count() -> None:
    problems = Problems("f")
    for line in range(MAX_PROBLEMS + 23):
        problems.add("B0201", "no", at=Span(line + 1, 1, 2))
    assert problems.full
    assert len(problems.diagnostics) == MAX_PROBLEMS + 1
    assert problems.diagnostics[-1].message == "23 more problems are not shown"


def test_exceptions_carry_their_exit_code_and_survive_pickling() -> None:
    assert {e: e.exit_code for e in (BlocksError, RecipeError, PluginError, BuildError, UsageError)} == {
        BlocksError: 1, RecipeError: 1, PluginError: 1, BuildError: 1, UsageError: 2,
    }  # fmt: skip
    error = RecipeError([heads_problem()], {"recipes/hybrid.yaml": "a: 1\\n"})
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is RecipeError
    assert str(again) == str(error)
    assert str(UsageError.of("B0805", "no", help="yes")) == "error[B0805]: no\n  = help: yes"


def test_the_text_layer_is_light() -> None:
    program = (
        "import blocks.diagnostics, blocks.codes, blocks.expressions, blocks.reader, sys; "
        "assert not {'torch', 'pydantic', 'networkx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
