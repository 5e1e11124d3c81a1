"""Importing a stranger's code: given up in time, and kept from ending the program."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from blocks import UsageError
from blocks.discovery import reason
from blocks.quarantine import TooLongError, apart, is_ready, timeout


def endless() -> None:
    while True:
        pass


def swallowing() -> None:
    for _ in range(10):
        try:
            time.sleep(0.01)
            endless()
        except BaseException:
            continue


def interrupted() -> Iterator[None]:
    raise KeyboardInterrupt
    yield


def waiting() -> None:
    time.sleep(2)


@pytest.mark.parametrize("work", [endless, swallowing, waiting])
def test_what_takes_too_long_is_given_up(work: Any) -> None:
    start = time.perf_counter()
    with pytest.raises(TooLongError, match=r"still importing after 0\.1 s"):
        apart(work, module=f"a_plugin.{work.__name__}", seconds=0.1)
    assert time.perf_counter() - start < 1.5


def test_a_result_and_an_error_pass() -> None:
    assert apart(lambda: 5, module="a_plugin", seconds=5) == (5, ())
    with pytest.raises(ZeroDivisionError):
        apart(lambda: 1 // 0, module="a_plugin", seconds=5)


@pytest.mark.parametrize(
    ("leave", "says"),
    [(lambda: sys.exit(3), "SystemExit: 3"), (lambda: next(interrupted()), "KeyboardInterrupt")],
)
def test_what_would_end_the_program_is_an_import_error(leave: Any, says: str) -> None:
    with pytest.raises(ImportError, match=says) as caught:
        apart(leave, module="a_plugin", seconds=5)
    assert reason(caught.value) == says


def test_what_is_printed_is_no_output(capsys: pytest.CaptureFixture[str]) -> None:
    apart(lambda: print("hello"), module="a_plugin", seconds=5)
    assert capsys.readouterr() == ("", "hello\n")


def test_the_limit_is_a_number_of_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLOCKS_PLUGIN_TIMEOUT", raising=False)
    assert timeout(5) == 5
    monkeypatch.setenv("BLOCKS_PLUGIN_TIMEOUT", "0.5")
    assert timeout(5) == 0.5
    for wrong in ("soon", "0", "-1", "nan", "inf", "1e9"):
        monkeypatch.setenv("BLOCKS_PLUGIN_TIMEOUT", wrong)
        with pytest.raises(UsageError) as caught:
            timeout(5)
        assert caught.value.diagnostics[0].code == "B0605"


def test_what_was_given_up_is_not_tried_again() -> None:
    for _ in range(2):
        with pytest.raises(TooLongError, match=r"after 0\.2 s"):
            apart(waiting, module="a_plugin.again", seconds=0.2)
    with pytest.raises(TooLongError, match=r"after 0\.2 s"):
        apart(lambda: 5, module="a_plugin.again", seconds=5)
    assert is_ready("sys")
    assert not is_ready("a_plugin.again")
