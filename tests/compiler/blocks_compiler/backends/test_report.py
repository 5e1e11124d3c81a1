"""The cost report: sums, conventions, ties, and 10,000 layers."""

from __future__ import annotations

import time
from typing import Any

import pytest

import blocks
from blocks_compiler.backends.report import Meter, report

TINY = """
recipe: tiny
d_model: 64
vocab_size: 100
blocks:
  attention: {{mixer: multi_head, n_heads: 4, n_kv_heads: 2}}
  ffn: {{mixer: mlp, d_ff: 256}}
model:
  - embed: tokens
  - stack: {{depth: {depth}, cycle: [attention, ffn]}}
  - norm: rmsnorm
  - head: {{lm: {{tied: {tied}}}}}
"""


def graph(depth: int = 4, tied: str = "false") -> blocks.BlockGraph:
    return blocks.compile_graph(blocks.load(TINY.format(depth=depth, tied=tied)))


def test_numbers_worked_out_by_hand() -> None:
    found = report(graph(), context=128)
    attention, ffn, table = 64 * 64 + 2 * 64 * 32 + 64 * 64, 2 * 64 * 256, 100 * 64
    assert found.total.parameters == 2 * table + 2 * (attention + 64) + 2 * (ffn + 64) + 64
    assert found.total.forward == 2 * (2 * attention + 4 * 64 * 128) + 2 * 2 * ffn + 2 * table
    assert found.total.train == 3 * found.total.forward
    assert found.total.decode == found.total.forward + 2 * 4 * 64  # the new token sees 128 others and itself
    assert found.total.state_bytes == 2 * (2 * 32 * 128) * 2  # keys and values of two layers, two bytes each


def test_tied_weights_count_once() -> None:
    free, tied = report(graph()), report(graph(tied="true"))
    assert free.total.parameters - tied.total.parameters == 100 * 64
    assert free.total.forward == tied.total.forward


def test_rows_and_kinds_sum_to_the_total() -> None:
    found = report(graph(), context=100)
    for name in ("parameters", "forward", "decode", "state_bytes"):
        total = getattr(found.total, name)
        assert sum(getattr(row.costs, name) for row in found.rows) == total
        assert sum(getattr(kind.costs, name) for kind in found.kinds) == total


def test_rows_are_paths_in_order() -> None:
    rows = report(graph()).rows
    assert [row.path for row in rows] == ["embed", *(f"layers.{i}" for i in range(4)), "norm", "head"]
    assert [row.component for row in rows][1:3] == ["multi_head", "mlp"]


@pytest.mark.parametrize(
    ("batch", "dtype", "factor"), [(1, "bfloat16", 1), (3, "bfloat16", 3), (1, "float32", 2)]
)
def test_state_scales_with_batch_and_dtype(batch: int, dtype: str, factor: int) -> None:
    assert (
        report(graph(), batch=batch, dtype=dtype).total.state_bytes
        == factor * report(graph()).total.state_bytes
    )


@pytest.mark.parametrize("name", ["gpt2-tiny", "hybrid-tiny", "mamba-tiny", "mistral-tiny"])
def test_total_agrees_with_the_report_at_every_context(name: str) -> None:
    from blocks.published import published

    meter = Meter(blocks.compile_graph(published()[name]))
    for context in (1, 7, 4096, 10**6):
        assert meter.total(context) == meter.report(context).total


def test_json_is_whole_numbers() -> None:
    found = report(graph(), context=7).as_json()
    assert set(found) == {"parameters", "flops_per_token", "state_bytes", "blocks"}
    assert set(found["flops_per_token"]) == {"forward", "train", "decode"}
    assert all(type(value) is int for value in found["flops_per_token"].values())
    assert set(found["blocks"][0]) == {
        "path",
        "block",
        "mixer",
        "parameters",
        "flops_per_token",
        "state_bytes",
    }


def test_ten_thousand_layers_are_fast() -> None:
    deep = graph(depth=10_000)
    start = time.perf_counter()
    assert len(report(deep).rows) == 10_003
    assert time.perf_counter() - start < 2


def test_a_notebook_sees_an_escaped_table() -> None:
    page = report(graph())._repr_html_()
    assert page.startswith("<table>")
    assert "multi_head" in page


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"context": 0}, "context is 0, not a whole number of at least 1"),
        ({"batch": -1}, "batch is -1, not a whole number of at least 1"),
        ({"dtype": "float99"}, "'float99' is not a dtype of the state"),
    ],
)
def test_a_report_that_cannot_be(options: dict[str, Any], says: str) -> None:
    with pytest.raises(blocks.UsageError, match=says):
        report(graph(), **options)
