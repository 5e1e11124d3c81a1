"""Every code of the catalogue: what it looks like, that it helps, and that its page tells the truth."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from blocks.cli import main
from blocks.codes import CODES

REWRITE = "REWRITE_DIAGNOSTICS"
_FILE = "about a file or a folder as a whole, which its name says"
_PLUGIN = "about a plugin, which no recipe need name; its title and distribution are said"
_USAGE = "about the command line or the environment, which is quoted"
_DATA = "about a line of data, which is named and not shown: it may be long"
_CORPUS = "about all data together, whose size is said"
_PROMPT = "about prompts, which are given by hand or by a program"
_COMPARED = "about several recipes, which are named"
NO_PLACE = {
    "B0100": "about all findings of a file",
    "B0605": _USAGE,
    "B0606": _PLUGIN,
    "B0607": _PLUGIN,
    "B0608": _PLUGIN,
    "B0610": "about what was built: the message says at which path of the model",
    "B0611": _PLUGIN,
    "B0612": _USAGE,
    "B0613": _FILE,
    "B0614": _USAGE,
    "B0615": _PLUGIN,
    "B0704": _USAGE,
    "B0705": "about a plugin's module, which the message names",
    "B0801": _FILE,
    "B0802": _FILE,
    "B0803": _FILE,
    "B0804": _FILE,
    "B0805": _USAGE,
    "B0806": "about what is installed",
    "B0807": _FILE,
    "B0808": _USAGE,
    "B0809": _FILE,
    "B0810": _USAGE,
    "B0811": _FILE,
    "B0812": _USAGE,
    "B0813": _USAGE,
    "B0814": _USAGE,
    "B0900": "about a mistake in a program",
    "B1001": _FILE,
    "B1004": "about tensors, which the message names",
    "B1005": _FILE,
    "B1006": _FILE,
    "B1007": "about a repository, which is named",
    "B1101": "about a model as a whole, which is named",
    "B1102": "about a model as a whole, which is named",
    "B1103": "about a model or a file as a whole, which is named",
    "B1203": _FILE,
    "B1204": "about a text and a tokenizer, which is named",
    "B1205": "about ids, which are named",
    "B1206": "about a text, whose character is said",
    "B1207": "about a text, whose place is said",
    "B1208": "about a text",
    "B1209": _FILE,
    "B1210": "about a token, which is named",
    "B1211": "about a model as a whole, which is named",
    "B1309": "about a tokenizer, which has no place in a text",
    "B1401": _FILE,
    "B1402": _DATA,
    "B1403": _DATA,
    "B1404": _DATA,
    "B1405": _DATA,
    "B1406": _FILE,
    "B1407": _CORPUS,
    "B1408": _FILE,
    "B1409": "about a tokenizer's own code",
    "B1410": _FILE,
    "B1411": _USAGE,
    "B1412": _CORPUS,
    "B1413": _CORPUS,
    "B1601": _COMPARED,
    "B1602": _COMPARED,
    "B1603": _COMPARED,
    "B1604": "about a recipe as a whole, which is named",
    "B1605": _COMPARED,
    "B1701": _USAGE,
    "B1702": "about a model as a whole, which is named",
    "B1703": _PROMPT,
    "B1704": _PROMPT,
    "B1705": _PROMPT,
    "B1706": _PROMPT,
    "B1707": "about a model as a whole, which is named",
    "B1708": "about a file of prompts, whose line is said",
    "B1709": "about a model as a whole, which is named",
    "B1801": "about a model as a whole, which is named",
    "B1802": _FILE,
    "B1803": "about a model as a whole, which is named",
    "B1501": _FILE,
    "B1502": "about two runs, which it compares",
    "B1503": _FILE,
    "B1504": _FILE,
    "B1505": "about a run, which says at which step and block",
    "B1506": _FILE,
    "B1507": "about a recipe as a whole, which is named",
    "B1508": "about a model as a whole, which is named",
    "B1509": _USAGE,
    "B1510": "about a model as a whole: its parameter is named",
}
"""Codes whose findings are about no line of a text, and why."""
_ONE_LINE = "one line at the head of a command that goes on; it names `blocks plugins`"
NO_HELP = dict.fromkeys(("B0602", "B0606", "B0607", "B0608", "B0609"), _ONE_LINE) | {
    "B0611": "a row of a table"
}
"""Codes that have a finding without help, and why."""


def findings(shown: str, code: str) -> list[str]:
    """What was printed of each finding with a code."""
    parts = re.split(r"\n\n(?=error\[)", shown)
    return [part for part in parts if re.search(rf"\[{code}\]|\b{code}:", part)]


def test_the_printed_text_is_the_golden_one(
    case: SimpleNamespace, printed: Callable[..., str], rewrite: Callable[..., None]
) -> None:
    shown = printed(case)
    if os.environ.get(REWRITE):
        rewrite(case, shown)
    assert findings(shown, case.code), shown
    assert shown == case.expected


def test_every_code_has_a_case(all_cases: dict[str, list[SimpleNamespace]]) -> None:
    lacking = [code for code in CODES if all(case.is_page for case in all_cases.get(code, ()))]
    assert lacking == []
    assert set(all_cases) <= set(CODES)


def test_every_code_has_a_caret_and_help(all_cases: dict[str, list[SimpleNamespace]]) -> None:
    found = {
        code: [f for case in cases for f in findings(case.expected, code)]
        for code, cases in all_cases.items()
    }
    placed = {
        code for code, some in found.items() if any(re.search(r"^ +\| +\^", f, re.MULTILINE) for f in some)
    }
    assert set(found) - placed == set(NO_PLACE)
    assert {code for code, some in found.items() if any("= help: " not in f for f in some)} == set(NO_HELP)


@pytest.mark.parametrize("code", CODES)
def test_why_prints_the_page(capsys: pytest.CaptureFixture[str], code: str) -> None:
    assert main(["why", code]) == 0
    page = capsys.readouterr().out
    assert page.startswith(f"{code}: {CODES[code].title}\n")
    words = page.split()
    assert " ".join(CODES[code].meaning.split()) in " ".join(words)
    assert "\nWrong:\n    " in page
    assert "\nRight:\n    " in page


def test_the_examples_of_every_page_are_tried(all_cases: dict[str, list[SimpleNamespace]]) -> None:
    for code, cases in all_cases.items():
        (page,) = [case for case in cases if case.is_page]
        assert page.title != "page not tried" or page.reason, code


def test_the_wrong_example_of_a_page_is_wrong(
    page_case: SimpleNamespace, printed: Callable[..., str], embed: Callable[..., SimpleNamespace]
) -> None:
    shown = printed(embed(page_case, CODES[page_case.code].wrong))
    assert findings(shown, page_case.code), shown


def test_the_right_example_of_a_page_is_right(
    page_case: SimpleNamespace, printed: Callable[..., str], embed: Callable[..., SimpleNamespace]
) -> None:
    shown = printed(embed(page_case, CODES[page_case.code].right))
    assert not findings(shown, page_case.code), shown
    assert "B0900" not in shown
