"""Pages: columns, clipping, tables that give way, and text of a stranger."""

from __future__ import annotations

import pytest

from blocks_compiler.commands.page import Cell, Page, Table, clip, columns, harmless


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a\ufffd[31mb"),
        ("a\nb\tc", "a b c"),
        ("\u202ea", "\ufffda"),
        ("日本 é ×", "日本 é ×"),
        ("", ""),
    ],
)
def test_harmless(text: str, shown: str) -> None:
    assert harmless(text) == shown


@pytest.mark.parametrize(("text", "width"), [("", 0), ("abc", 3), ("日本", 4), ("e\u0301", 1), ("Ａ", 2)])
def test_columns(text: str, width: int) -> None:
    assert columns(text) == width


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("ab cd", 4, "ab…"),
        ("ab", 1, "…"),
    ],
)
def test_clip(text: str, width: int, shown: str) -> None:
    assert clip(text, width) == shown
    assert columns(shown) <= width


def table() -> Table:
    made = Table(("block", "options", "each"), "<<>", ("options",))
    made.add("attention", "n_heads 32, n_kv_heads 8, position rope", Cell("42.0 M", "bold"))
    made.add(None)
    made.add(Cell("a heading that is far wider than any of the columns of the table is"))
    made.add("ffn", None, "7")
    return made


def test_widths_are_those_of_the_widest_cell() -> None:
    assert table().widths(None) == [9, 39, 6]
    assert table().widths(200) == [9, 39, 6]
    assert table().widths(58) == [9, 39, 6]


def test_only_flexible_columns_give_way_down_to_twelve() -> None:
    assert table().widths(57) == [9, 38, 6]
    assert table().widths(40) == [9, 21, 6]
    assert table().widths(5) == [9, 12, 6]


def test_the_first_flexible_column_gives_way_first() -> None:
    made = Table(("a", "b"), "<<", ("b", "a"))
    made.add("x" * 20, "y" * 20)
    assert made.widths(40) == [20, 18]
    assert made.widths(30) == [16, 12]


def test_a_table_without_a_terminal_is_not_clipped(capsys: pytest.CaptureFixture[str]) -> None:
    Page(color=False).table(table())
    assert capsys.readouterr().out.splitlines() == [
        "  block      options                                    each",
        "  attention  n_heads 32, n_kv_heads 8, position rope  42.0 M",
        "  " + "─" * 58,
        "  a heading that is far wider than any of the columns of the table is",
        "  ffn                                                      7",
    ]


def test_a_table_keeps_to_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "42")
    Page(color=False).table(table())
    rows = capsys.readouterr().out.splitlines()
    assert rows[1] == "  attention  n_heads 32, n_kv_hea…  42.0 M"


def test_color_is_only_there_where_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    for color, shown in ((True, "  a \x1b[1mb\x1b[0m\x1b[38;5;208mc\x1b[0md\n"), (False, "  a bcd\n")):
        page = Page(color=color)
        page.line("a ", Cell("b", "bold"), Cell("c", "attention"), Cell("d", "no such style"), None, indent=2)
        assert capsys.readouterr().out == shown
        assert page.styled("", "bold") == ""


def test_paragraphs_are_filled(capsys: pytest.CaptureFixture[str]) -> None:
    Page(color=False).text("word " * 40, indent=4)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 1
    assert all(line.startswith("    word") and len(line) <= 100 for line in lines)
    Page(color=False).text("")
    assert capsys.readouterr().out == "\n"
