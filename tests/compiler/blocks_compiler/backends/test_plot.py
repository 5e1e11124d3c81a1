"""The plot: files of every format, the same twice, and a clear word where matplotlib is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import blocks
from blocks.published import published
from blocks_compiler.backends.plot import plot
from blocks_compiler.backends.report import Meter

CONTEXTS = [1_000, 10_000, 100_000]


def meters() -> list[Meter]:
    return [Meter(blocks.compile_graph(published()[name])) for name in ("gpt2-tiny", "mamba-tiny")]


@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_every_format_is_written(tmp_path: Path, suffix: str, start: bytes) -> None:
    pytest.importorskip("matplotlib")
    files = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for file in files:
        plot(meters(), CONTEXTS, file)
    assert files[0].read_bytes().startswith(start)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == files


def test_without_matplotlib_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(blocks.BlocksError) as caught:
        plot(meters(), CONTEXTS, tmp_path / "a.svg")
    finding = caught.value.diagnostics[0]
    assert (finding.code, finding.help) == ("B0806", 'pip install "blocks-dsl[plot]"')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("file", "contexts"), [("a.jpg", CONTEXTS), ("a.svg", [1_000])])
def test_misuse_is_refused(tmp_path: Path, file: str, contexts: list[int]) -> None:
    with pytest.raises(blocks.UsageError):
        plot(meters(), contexts, tmp_path / file)
