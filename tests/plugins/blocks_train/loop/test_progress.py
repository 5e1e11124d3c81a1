"""What a person sees: one line on a terminal, some lines elsewhere."""

import io

import pytest
from rich.console import Console

from blocks_train.loop import progress
from blocks_train.loop.progress import Line, duration, size


def shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool, width: int = 80) -> str:
    clock = iter(range(0, 10_000, 4))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=width, color_system=None, soft_wrap=True)
    with Line(0, 10, flops=2e6, peak=1e12, console=console) as line:
        for step in range(1, 11):
            line.step(step, 2.0, 50_000, 1.0, 300 * 2**20)
        line.say("validation [0] done")
    return stream.getvalue()


def test_without_a_terminal_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, terminal=False).splitlines()
    assert lines[-1] == "validation [0] done"
    assert lines[-2] == "step 10/10  loss 2.0000  perplexity 7.39  50,000 tokens/s  MFU 10%  300 MiB"
    assert 3 <= len(lines) <= 8
    assert lines[0].startswith("step 2/10  0:")
    assert " left  loss 2.0000" in lines[0]


@pytest.mark.parametrize("width", [80, 120])
def test_on_a_terminal_nothing_wraps_and_the_line_is_gone_at_the_end(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    text = shown(monkeypatch, terminal=True, width=width)
    assert "step 10/10  loss 2.0000" in text
    assert ("━" in text) == (width == 120)
    rows = [row.rpartition("\x1b[2K")[2] for row in text.replace("\r", "\n").split("\n")]
    assert max(map(len, rows)) <= width
    assert text.rstrip("\n").endswith("\x1b[2K")


def test_times_and_sizes() -> None:
    assert [duration(s) for s in (0, 61, 3600, 36_061)] == ["0:00", "1:01", "1:00:00", "10:01:01"]
    assert [size(n) for n in (300 * 2**20, 3 * 2**30)] == ["300 MiB", "3.0 GiB"]
