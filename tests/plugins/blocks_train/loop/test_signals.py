"""The first signal asks, the second ends."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from blocks_train.loop.signals import stopping


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_asks(number: int, code: int) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stopping() as stop:
        assert not stop
        assert stop.exit_code == 0
        os.kill(os.getpid(), number)
        assert stop
        assert stop.exit_code == code
        assert stop.name == signal.Signals(number).name
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_ends_at_once(second: int) -> None:
    code = (
        "import time\nfrom blocks_train.loop.signals import stopping\n"
        "with stopping() as stop:\n    print('ready', flush=True)\n"
        "    while True:\n        time.sleep(0.01)\n        if stop:\n            print('asked', flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGTERM)
        assert child.stdout.readline() == "asked\n"
        child.send_signal(second)
        child.stdout.read()
        assert child.wait(10) == -second


def test_another_thread_takes_none() -> None:
    found = []

    def work() -> None:
        with stopping() as stop:
            found.append(bool(stop))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]
