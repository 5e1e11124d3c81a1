"""`blocks why`."""

from __future__ import annotations

import pytest

from blocks.cli import main
from blocks.codes import CODES


@pytest.mark.parametrize("code", ["B0307", "b0307"])
def test_a_code_is_explained(capsys: pytest.CaptureFixture[str], code: str) -> None:
    assert main(["why", code]) == 0
    page = capsys.readouterr().out
    assert page.startswith("B0307: heads do not divide d_model\n")
    assert "\nWrong:\n    d_model: 512\n" in page


def test_all_codes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(CODES)


def test_an_unknown_code_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "B9999"]) == 2
    assert "B9999" in capsys.readouterr().err
