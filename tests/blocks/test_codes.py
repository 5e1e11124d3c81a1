"""The catalogue of codes: complete, explained, in order."""

import re
from pathlib import Path

from blocks.codes import CODES

ROOT = Path(__file__).resolve().parents[2]


def test_every_code_is_explained() -> None:
    for code, entry in CODES.items():
        assert re.fullmatch(r"B(0[1-9]|1[0-9])\d\d", code)
        assert entry.title
        assert code == "B0100" or (
            "\n\nWrong:\n    " in entry.explanation and "\n\nRight:\n" in entry.explanation
        )
    assert list(CODES) == sorted(CODES)


def test_the_catalogue_holds_the_codes_of_the_source() -> None:
    used = {
        code
        for folder in ("blocks", "compiler", "plugins")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "codes.py"
        for code in re.findall(r"\"(B\d{4})\"", path.read_text(encoding="utf-8"))
    }
    assert used == set(CODES)
