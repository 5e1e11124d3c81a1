"""The folder of a run: one process, what was asked, metrics without a broken line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from blocks import BuildError
from blocks_train.loop.run_folder import (
    cut_metrics,
    differences,
    locked,
    read_metrics,
    read_run,
    write_run,
)

from .faults import Faults


def test_what_was_asked_is_read_back(tmp_path: Path) -> None:
    assert read_run(tmp_path) is None
    assert read_run(tmp_path / "none") is None
    asked = {"recipe": "recipe: a\n", "data": {"paths": ["Чехов.txt"]}}
    write_run(tmp_path, asked)
    assert read_run(tmp_path) == asked


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', "null"])
def test_what_is_no_run_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(BuildError) as caught:
        read_run(tmp_path)
    assert caught.value.diagnostics[0].code == "B0804"


def test_an_error_while_writing_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path, {"number": 1})
    for at in range(1, 50):
        with monkeypatch.context() as patch:
            faults = Faults(patch, tmp_path, at)
            try:
                write_run(tmp_path, {"number": 2})
            except OSError:
                assert faults.failed
        if not faults.failed:
            break
        assert read_run(tmp_path) == {"number": 1}, faults.failed
        assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    assert at > 4
    assert read_run(tmp_path) == {"number": 2}


def test_one_process_at_a_time(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from blocks_train.loop.run_folder import locked
with locked(Path({str(tmp_path / "run")!r})):
    print("ready", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        with pytest.raises(BuildError, match="in use by another process"), locked(tmp_path / "run"):
            pass
        child.kill()  # the system gives the lock back
        child.wait()
        with locked(tmp_path / "run"):
            pass


def test_differences_name_what_differs() -> None:
    old = {
        "d_model": 128,
        "train": {"seed": 0, "objective": "next_token"},
        "model": [{"embed": "tokens"}, "a"],
    }
    new = {"d_model": 64, "train": {"seed": 0}, "model": [{"embed": "tokens"}, "b"], "about": "x" * 80}
    assert differences(old, old) == []
    assert differences(old, new) == [
        "d_model: 128 in the run, 64 now",
        'train.objective: "next_token" in the run, not said now',
        'model.1: "a" in the run, "b" now',
        f'about: not said in the run, "{"x" * 56}... now',
    ]


def test_metrics_past_a_checkpoint_are_cut(tmp_path: Path) -> None:
    cut_metrics(tmp_path, 3)
    assert read_metrics(tmp_path) == []
    rows = [{"step": step, "loss": 1 / step} for step in range(1, 6)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "metrics.jsonl").write_text(lines + '{"step": 6, "lo')
    assert read_metrics(tmp_path) == rows
    cut_metrics(tmp_path, 3)
    assert (tmp_path / "metrics.jsonl").read_text() == "".join(json.dumps(row) + "\n" for row in rows[:3])
