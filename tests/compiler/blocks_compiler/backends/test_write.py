"""Writing: the old file or the new one, never half of one, and nothing left over."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from blocks import BuildError
from blocks_compiler.backends.write import check_output, write_bytes


def test_a_file_is_made_and_replaced(tmp_path):
    path = tmp_path / "a.svg"
    write_bytes(path, b"one")
    assert path.read_bytes() == b"one"
    write_bytes(path, b"")
    assert path.read_bytes() == b""
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
def test_permissions_are_those_of_any_file_or_of_the_one_before(tmp_path):
    path, plain = tmp_path / "a", tmp_path / "plain"
    plain.touch()
    write_bytes(path, b"one")
    assert path.stat().st_mode == plain.stat().st_mode
    path.chmod(0o640)
    write_bytes(path, b"two")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("broken", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.chmod"])
def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch, broken):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(broken, fail)
    with pytest.raises(OSError, match="the disk is full"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_not_replaced(tmp_path):
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        write_bytes(tmp_path, b"one")
    with pytest.raises(FileNotFoundError):
        write_bytes(tmp_path / "missing" / "a", b"one")


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="a device")
def test_a_device_is_written_to():
    write_bytes(Path("/dev/null"), b"one")
    assert not Path("/dev/null").is_file()


def test_a_missing_folder_is_named_and_no_file_of_ours(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder") as caught:
        write_bytes(tmp_path / "none" / "a.svg", b"one")
    assert caught.value.filename == str(tmp_path / "none")
    assert not list(tmp_path.iterdir())


def test_no_link_is_written_through_or_replaced(tmp_path):
    secret, link = tmp_path / "secret", tmp_path / "a.svg"
    secret.write_bytes(b"mine")
    link.symlink_to(secret)
    with pytest.raises(BuildError) as caught:
        write_bytes(link, b"new")
    assert caught.value.diagnostics[0].code == "B0809"
    assert secret.read_bytes() == b"mine"
    assert link.is_symlink()
    link.unlink()
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(BuildError):
        write_bytes(link, b"new")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="a device that is a link")
def test_standard_output_is_written_to(tmp_path):
    code = (
        "from pathlib import Path\n"
        "from blocks_compiler.backends.write import write_bytes\n"
        "write_bytes(Path('/dev/stdout'), b'x')"
    )
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_bytes() == b"x"
    assert Path("/dev/stdout").is_symlink()


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "folder/..",
        "-rf",
        "-rf.svg",
        "a/-x",
        "a\nb.svg",
        "a\x1b[31m.svg",
        "a\u202eb.svg",
        "a\0b",
        "a" * 300,
    ],
)
def test_what_is_no_name(tmp_path, name):
    with pytest.raises(BuildError) as caught:
        check_output(Path(name))
    (found,) = caught.value.diagnostics
    assert found.code == "B0810"
    assert found.message.isprintable()
    assert len(found.message) < 200


@pytest.mark.parametrize("name", ["a.svg", "../a.svg", "/tmp/a.svg", "a b.svg", "ä.svg", ".hidden"])
def test_what_is_a_name(name):
    check_output(Path(name))
