"""The plot of a run."""

from pathlib import Path

import pytest

from blocks_train.loop.curve import draw, smoothed

pytest.importorskip("matplotlib")


def rows_of(steps: int) -> list[dict]:
    rows = [{"step": step, "loss": 1.0 + 1 / step} for step in range(1, steps + 1)]
    return [*rows, {"step": steps, "validation_loss": 1.1}, {"step": steps, "loss": "nan"}]


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_it_is_drawn_and_the_same_twice(tmp_path: Path, kind: str) -> None:
    paths = [tmp_path / f"{name}.{kind}" for name in "ab"]
    assert all(draw(rows_of(300), "tiny", path) for path in paths)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert len(paths[0].read_bytes()) > 1000


def test_nothing_to_draw(tmp_path: Path) -> None:
    assert not draw([], "tiny", tmp_path / "a.svg")
    assert not draw([{"step": 1, "loss": 1.0}], "tiny", tmp_path / "a.svg")
    assert not list(tmp_path.iterdir())


def test_smoothing_is_the_mean_of_the_last() -> None:
    assert smoothed([1.0, 2.0, 3.0, 10.0], 2) == pytest.approx([1.0, 1.5, 2.5, 6.5])
    assert smoothed([1.0, 2.0], 1) == [1.0, 2.0]
