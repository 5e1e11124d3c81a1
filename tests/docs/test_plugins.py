"""The page on plugins: its table of conformance is the suite's."""

import re
from pathlib import Path

from blocks_compiler.conformance.cases import CASES

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\|[^|]*\| `(\w+)` \|[^|]*\| ([^|]*) \|$", PAGE, flags=re.MULTILINE)
NEEDS = {"causal", "cached", "padded", "packed"}


def test_the_table_has_every_case_once() -> None:
    assert sorted(name for name, _ in ROWS) == sorted(case.name for case in CASES)


def test_the_table_says_of_whom_each_is_asked() -> None:
    said = dict(ROWS)
    for case in CASES:
        words = set(re.findall(r"\w+", said[case.name]))
        assert words & NEEDS == case.needs, case.name
        assert ("read" in words) == case.reads, case.name
        assert (case.when is None) == ("`" not in said[case.name]), case.name
        assert (said[case.name] == "all") == (not case.needs and not case.reads and case.when is None), (
            case.name
        )


def test_every_case_says_what_it_holds_in_a_line() -> None:
    assert all(0 < len(case.about) < 120 for case in CASES)
