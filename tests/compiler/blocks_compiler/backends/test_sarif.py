"""SARIF 2.1.0: what the standard asks of a log, and fingerprints that outlive a move."""

import json
from pathlib import Path
from typing import Any

import pytest

import blocks
from blocks import BlocksError, Diagnostic
from blocks.codes import CODES
from blocks.diagnostics import Label, Span
from blocks_compiler.backends.sarif import sarif

WRONG = """\
recipe: wrong
d_model: 512
vocab_size: 32k
blocks:
  attention: {mixer: multi_head, n_heads: 12}
  ffn: {mixer: mlp, activatoin: gelu}
model:
  - embed: tokens
  - stack: {depth: 3, interleave: [attention, ffn]}
  - head: lm
"""


def log_of(text: str, path: Path) -> dict[str, Any]:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BlocksError) as refused:
        blocks.compile_graph(path)
    made = sarif(refused.value.diagnostics, refused.value.sources, path.parent)
    again: dict[str, Any] = json.loads(json.dumps(made))
    return again


def check_log(log: dict[str, Any]) -> None:
    """What sections 3.13 to 3.49 of the standard require of the parts that we write."""
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    [run] = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "blocks"
    assert run["columnKind"] == "unicodeCodePoints"
    assert all(base["description"]["text"] for base in run["originalUriBaseIds"].values())
    rules = [rule["id"] for rule in driver["rules"]]
    assert rules == sorted(set(rules))
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"] == CODES[rule["id"]].title
        assert rule["fullDescription"]["text"].endswith(".")
        assert rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["message"]["text"]
        assert result["level"] == "error"
        assert all(result["partialFingerprints"].values())
        related = result.get("relatedLocations", [])
        assert [place["id"] for place in related] == list(range(1, len(related) + 1))
        for place in [*result["locations"], *related]:
            physical = place["physicalLocation"]
            uri = physical["artifactLocation"]["uri"]
            base = physical["artifactLocation"].get("uriBaseId")
            assert base in run["originalUriBaseIds"] if base else uri.startswith("file:///")
            assert "\\" not in uri
            assert " " not in uri
            region = physical.get("region")
            if region is not None:
                assert region["startLine"] >= 1
                assert region["endColumn"] >= region["startColumn"] >= 1


def test_a_log_of_a_wrong_recipe(tmp_path: Path) -> None:
    log = log_of(WRONG, tmp_path / "a wrong one.yaml")
    check_log(log)
    [run] = log["runs"]
    first = run["results"][0]
    assert first["ruleId"] == "B0307"
    assert first["message"]["text"] == (
        "12 heads do not divide d_model = 512 (512 / 12 = 42.67). Use 8 or 16 heads, or set head_dim."
    )
    assert run["results"][1]["message"]["text"] == "unknown key 'activatoin'. Did you mean 'activation'?"
    assert first["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "a%20wrong%20one.yaml", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 5, "startColumn": 43, "endColumn": 45, "snippet": {"text": "12"}},
            }
        }
    ]
    [related] = first["relatedLocations"]
    assert related["message"]["text"] == "d_model is set here"
    assert related["physicalLocation"]["region"]["startLine"] == 2


def test_a_finding_stays_the_same_while_lines_come_and_go(tmp_path: Path) -> None:
    def marks(text: str) -> list[str]:
        [run] = log_of(text, tmp_path / "wrong.yaml")["runs"]
        return [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]

    before = marks(WRONG)
    assert len(set(before)) == len(before) == 3
    assert marks("# a comment\n\n" + WRONG) == before
    assert marks(WRONG.replace("n_heads: 12", "n_heads: 20"))[0] != before[0]


def test_two_findings_on_one_line_have_two_fingerprints(tmp_path: Path) -> None:
    log = log_of(WRONG.replace("activatoin: gelu", "activatoin: gelu, bais: true"), tmp_path / "wrong.yaml")
    check_log(log)
    marks = [result["partialFingerprints"]["primaryLocationLineHash"] for result in log["runs"][0]["results"]]
    assert len(set(marks)) == len(marks)


def test_findings_without_a_place_or_a_file_and_outside_the_root(tmp_path: Path) -> None:
    elsewhere = tmp_path / "other" / "base.yaml"
    found = [
        Diagnostic("B0801", "there is no file none.yaml", file="none.yaml"),
        Diagnostic("B0602", "a plugin failed"),
        Diagnostic(
            "B0302", "too small", file=str(elsewhere), span=Span(1, 1, 1),
            notes=(Label(Span(2, 3, 4, str(tmp_path / "root" / "r.yaml")), "named here"),),
        ),
    ]  # fmt: skip
    log = json.loads(json.dumps(sarif(found, {}, tmp_path / "root")))
    check_log(log)
    first, second, third = log["runs"][0]["results"]
    assert "region" not in first["locations"][0]["physicalLocation"]
    assert second["locations"] == []
    assert third["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": elsewhere.as_uri()}
    assert third["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "r.yaml"


def test_nothing_wrong_is_a_log_without_results(tmp_path: Path) -> None:
    log = sarif([], {}, tmp_path)
    check_log(log)
    assert log["runs"][0]["results"] == []
