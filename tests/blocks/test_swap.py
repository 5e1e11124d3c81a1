"""Putting folders in place: whole or not at all, also when the process is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blocks import swap

WRITER = """
import sys
from pathlib import Path
from blocks.swap import fresh_folder
target, number = Path(sys.argv[1]), 0
print("ready", flush=True)
while True:
    number += 1
    with fresh_folder(target) as folder:
        for name in ("a", "b", "c"):
            (folder / name).write_text(str(number) * 20_000)
"""


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def test_a_new_folder_appears_whole(tmp_path: Path) -> None:
    with swap.fresh_folder(tmp_path / "out") as folder:
        (folder / "file").write_text("new")
        assert not (tmp_path / "out").exists()
    assert contents(tmp_path / "out") == {"file": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_old_folder_is_replaced(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with swap.fresh_folder(tmp_path / "out") as folder:
            (folder / text).write_text(text)
    assert contents(tmp_path / "out") == {"new": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def write_and_fail(target: Path) -> None:
    with swap.fresh_folder(target) as folder:
        (folder / "half").write_text("half")
        raise OSError(28, "No space left on device")


def test_an_error_leaves_the_old_folder(tmp_path: Path) -> None:
    with swap.fresh_folder(tmp_path / "out") as folder:
        (folder / "old").write_text("old")
    with pytest.raises(OSError, match="No space left"):
        write_and_fail(tmp_path / "out")
    assert contents(tmp_path / "out") == {"old": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_without_exchange_the_folder_is_replaced_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "_exchange", lambda new, target: False)
    test_an_old_folder_is_replaced(tmp_path)


def test_recover_brings_back_what_a_kill_set_aside(tmp_path: Path) -> None:
    aside = tmp_path / ".out.old-1-abcd"
    aside.mkdir()
    (aside / "file").write_text("old")
    swap.recover(tmp_path / "out")
    assert contents(tmp_path / "out") == {"file": "old"}


def test_leftovers_of_dead_processes_are_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    (tmp_path / f".out.new-{dead.pid}-abcd").mkdir()
    alive = tmp_path / f".out.new-{os.getpid()}-abcd"
    alive.mkdir()
    with swap.fresh_folder(tmp_path / "out") as folder:
        (folder / "file").write_text("new")
    assert sorted(path.name for path in tmp_path.iterdir()) == [alive.name, "out"]


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
@pytest.mark.parametrize("delay", [0.003, 0.011, 0.029, 0.053])
def test_killed_at_any_point_the_folder_is_whole(tmp_path: Path, delay: float) -> None:
    target = tmp_path / "out"
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(target)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        swap.recover(target)
        if target.exists():
            found = contents(target)
            assert sorted(found) == ["a", "b", "c"]
            assert len(set(found.values())) == 1
