"""The words of a comparison."""

import pytest

import blocks
from blocks_compiler.backends.comparison import cost_rows, layout, places, signed
from blocks_compiler.compare import compare
from blocks_compiler.units import count


@pytest.mark.parametrize(
    ("paths", "text"),
    [
        (["head"], "head"),
        (["layers.3"], "layers.3"),
        (["layers.3", "layers.4"], "layers.3, 4"),
        ([f"layers.{i}" for i in range(3, 8)], "layers.3–7"),
        ([f"layers.{i}" for i in range(0, 52, 2)], "layers.0, 2, …, 50"),
        (["layers.0", "layers.1", "layers.2", "layers.9", "top.0"], "layers.0–2, 9, top.0"),
        ([f"layers.{i}" for i in (0, 5, 6, 9, 20)], "layers.0, 5, 6, 9, 20"),
    ],
)
def test_places(paths: list[str], text: str) -> None:
    assert places(paths) == text


def test_at_most_so_many_runs_of_places() -> None:
    assert places([f"layers.{i}" for i in (0, 5, 6, 9, 20)], 2) == "layers.0, 5, …"


def test_a_layout_with_its_repeats() -> None:
    names = ["mamba2", "ffn"] * 3 + ["+attention"] + ["ffn"] * 2
    assert layout(names) == "3 × [mamba2, ffn], +attention, 2 × ffn"
    assert layout([]) == ""


def test_differences_have_signs() -> None:
    assert signed(-1500, count) == "−1.50 K"
    assert signed(2, count) == "+2"


def test_costs_and_what_they_changed_by() -> None:
    graphs = [blocks.compile_graph(name, kernels="reference") for name in ("gpt2", "gpt2-xl")]
    rows = list(cost_rows(compare(graphs[0], graphs[1], 1000)))
    assert [row.name for row in rows] == [
        "parameters", "FLOPs a token, forward at 1k", "FLOPs a token, decoding at 1k", "state at 1k, bfloat16",
    ]  # fmt: skip
    assert rows[0].old == "124,439,808"
    assert rows[0].new == "1,557,611,200"
    assert rows[0].change == "+1,433,171,392"
    assert rows[0].share == "+1151.7%"
    same = list(cost_rows(compare(graphs[0], graphs[0], 1000)))
    assert all(row.change == row.share == "" for row in same)
