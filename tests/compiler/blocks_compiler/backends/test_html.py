"""HTML tables: their rows, their numbers, and text that could be markup."""

import xml.etree.ElementTree as ET

import pytest

import blocks
from blocks_compiler.backends.html import HEADINGS, plan_html, report_html

TEXT = """
recipe: small
d_model: 16
vocab_size: 32
blocks:
  attention: {mixer: multi_head, n_heads: 2}
  ffn: {mixer: mlp, d_ff: 24}
model:
  - embed: tokens
  - stack: {layers: "2 x [attention], 600 x [ffn]"}
  - head: lm
"""


def table(html):
    """Caption, headings and rows of the first table."""
    root = ET.fromstring(f"<html>{html}</html>")
    rows = [["".join(cell.itertext()) for cell in row] for row in root.iterfind(".//tbody/tr")]
    return root.findtext(".//caption"), [cell.text or "" for cell in root.iterfind(".//th")], rows


def test_a_plan_has_a_row_for_each_kind_of_block():
    plan = blocks.load(TEXT).plan()
    caption, headings, rows = table(plan_html(plan))
    assert caption.endswith("parameters, 602 blocks")
    assert headings == ["", "block", "mixer", "options", "count", "share", "each"]
    assert rows == [
        ["*", "attention", "multi_head", "n_heads 2", "2 ×", "0.3%", "1.04 K"],
        ["-", "ffn", "mlp", "d_ff 24", "600 ×", "99.7%", "784"],
    ]


@pytest.mark.parametrize(("blocks_more", "ends"), [(600, "-"), (998, "-"), (999, "…")])
def test_a_long_pattern_is_cut(blocks_more, ends):
    plan = blocks.load(TEXT.replace("600", str(blocks_more))).plan()
    code = ET.fromstring(f"<html>{plan_html(plan)}</html>").findtext(".//code")
    assert code.endswith(ends)
    assert len(code.rstrip("…")) == min(1000, 2 + blocks_more)


def test_a_report_has_a_row_for_each_kind_and_the_total():
    report = blocks.report(TEXT, context=100)
    caption, headings, rows = table(report_html(report))
    assert caption == f"small: {report.total.parameters:,} parameters, 100 tokens of context"
    assert tuple(headings) == HEADINGS
    assert [(row[0], row[2]) for row in rows] == [
        ("embedding", "1 ×"), ("attention", "2 ×"), ("ffn", "600 ×"), ("head", "1 ×"), ("total", ""),
    ]  # fmt: skip
    assert rows[-1][4] == "100.0%"


def test_names_are_text_and_not_markup():
    plan = blocks.load(
        TEXT.replace("600 x [ffn]", "ffn")
        .replace("layers: ", "symbols: {'<': ffn, '&': attention}, pattern: ")
        .replace('"2 x [attention], ffn"', "'&<'")
    ).plan()
    html = plan_html(plan)
    assert [row[0] for row in table(html)[2]] == ["&", "<"]
    assert "&amp;&lt;</code>" in html
