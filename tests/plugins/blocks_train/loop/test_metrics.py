"""Lines of metrics: whole, readable, and no reason to stop training."""

import json
import math
from pathlib import Path

import pytest

from blocks_train.loop.metrics import Metrics, perplexity

from .faults import Faults


def test_a_line_is_there_when_it_is_written(tmp_path: Path) -> None:
    with Metrics(tmp_path) as metrics:
        metrics.write(1, loss=0.5, rate=None)
        assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"step": 1, "loss": 0.5}
        metrics.write(2, loss=math.nan, norm=math.inf)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[1]) == {"step": 2, "loss": "nan", "norm": "inf"}
    with Metrics(tmp_path) as metrics:
        metrics.write(3, loss=0.25)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3


def test_a_full_disk_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for at in (1, 2):
        told: list[str] = []
        with monkeypatch.context() as patch:
            Faults(patch, tmp_path, at)
            with Metrics(tmp_path, warn=told.append) as metrics:
                for step in range(3):
                    metrics.write(step, loss=1.0)
        assert told == [
            "metrics.jsonl cannot be written: No space left on device; training goes on without it"
        ]


def test_the_board_gets_the_same() -> None:
    rows = []

    class Board:
        def add_scalar(self, name, value, step):
            rows.append((name, value, step))

        def close(self):
            rows.append("closed")

    with Metrics(Path("/nowhere"), board=Board(), warn=lambda text: None) as metrics:
        metrics.write(7, loss=1.0, lr=None)
    assert rows == [("loss", 1.0, 7), "closed"]


def test_perplexity() -> None:
    assert perplexity(0.0) == 1.0
    assert perplexity(math.log(65)) == pytest.approx(65)
    assert perplexity(1e6) == math.inf
