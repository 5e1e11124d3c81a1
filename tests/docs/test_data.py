"""docs/guide/data.md: its code runs, its errors are what is printed, its tables name every code and every suffix."""

import json
import re
from pathlib import Path

import pytest

from blocks import BlocksError, Registry
from blocks.codes import CODES
from blocks_train.data import prepare
from blocks_train.data.sources import SUFFIXES

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "data.md").read_text(encoding="utf-8")


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("texts").mkdir()
    for name in "ab":
        Path("texts", f"{name}.txt").write_text(
            "\n\n".join(f"A story of {n} birds. " * n for n in range(1, 9))
        )
    Path("stories.jsonl").write_text('{"text": "To be"}\n{"text": "or not"}\n')
    Path("train.de").write_text("eins\nzwei\ndrei vier\n")
    Path("train.en").write_text("one\ntwo\nthree four\n")
    Path("digits.jsonl").write_text(
        "".join(json.dumps({"image": [[[n] * 4] * 4], "label": n}) + "\n" for n in range(5))
    )


@pytest.fixture
def coder():
    return Registry.installed(plugins=False).find("tokenizer", "byte").load()().open(None)


def test_the_code_works_from_top_to_bottom(data, capsys):
    page = {}
    for text in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        exec(compile(text, "data.md", "exec"), page)
    assert capsys.readouterr().out.splitlines() == [
        "18 documents, 1,469 tokens of 1,451 bytes",
        "(4, 64) int64 (4, 64) 94%",
        "{'source': (2, 4), 'target': (2, 4), 'source_mask': (2, 4), 'target_mask': (2, 4)}",
        "float32 [3 0]",
    ]


def test_the_errors_are_those_that_are_printed(data, coder):
    Path("old.txt").write_bytes(b"one\ntwo \xe9")
    Path("stories.jsonl").write_text('{"txt": "To be"}\n')
    (shown,) = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    with pytest.raises(BlocksError) as caught:
        prepare(["old.txt", "stories.jsonl"], coder, "cache")
    assert str(caught.value) == shown.rstrip("\n")


def test_every_code_and_every_suffix_is_named():
    told = set(re.findall(r"B\d{4}", PAGE.partition("| code | what |")[2]))
    assert {code for code in CODES if code.startswith("B14")} <= told <= set(CODES)
    assert all(f"{suffix}`" in PAGE for suffix in SUFFIXES)
