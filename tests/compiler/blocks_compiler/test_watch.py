"""What changed since the last look."""

from collections.abc import Callable
from pathlib import Path

from blocks_compiler.watch import changes, stamp


class ClockStoppedError(Exception):
    """The last nap is over."""


def looks(files: Callable[[], list[Path]], *acts: Callable[[], object]) -> list[list[str]]:
    """The names that change while each nap does the next thing; after the last one it all ends."""
    left = iter(acts)
    found: list[list[str]] = []

    def nap() -> None:
        act = next(left, None)
        if act is None:
            raise ClockStoppedError
        act()

    try:
        for changed in changes(files, nap):
            found.append(sorted(path.name for path in changed))
    except ClockStoppedError:
        return found
    raise AssertionError("it does not end by itself")


def test_files_that_change_come_and_go(tmp_path: Path) -> None:
    a, b, c = (tmp_path / name for name in "abc")
    a.write_text("1")
    b.write_text("1")
    found = looks(
        lambda: [a, b, c],
        lambda: None,
        lambda: a.write_text("22"),
        lambda: (b.unlink(), c.write_text("1")),
        lambda: None,
        lambda: b.write_text("1"),
    )
    assert found == [["a"], ["b", "c"], ["b"]]


def test_a_file_that_is_new_to_the_list_has_not_changed(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("1")
    listed = [a]
    assert looks(lambda: listed, lambda: (b.write_text("1"), listed.append(b))) == []


def test_a_stamp_of_nothing_and_of_what_no_file_is_called(tmp_path: Path) -> None:
    assert stamp(tmp_path / "none") is None
    assert stamp(Path("a\0b")) is None
    path = tmp_path / "a"
    path.write_text("1")
    assert stamp(path) == stamp(path)
