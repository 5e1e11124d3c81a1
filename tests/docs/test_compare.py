"""docs/guide/compare.md: its commands work from top to bottom, and its table has the columns that there are."""

import re
import shlex
from pathlib import Path

import pytest

from blocks.cli import main
from blocks.codes import CODES
from blocks_train.comparing.entries import SHARED
from blocks_train.comparing.table import HEADS

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "compare.md").read_text(encoding="utf-8")
TRAIN = "train: {steps: 3, batch: 4, context: 16, eval_every: 1, save_every: 2}"
GPT = "blocks: {a: {mixer: multi_head, n_heads: 2, position: rope}, f: {mixer: mlp}}"
LSTM = "blocks: {lstm: {mixer: lstm}}"


def test_commands_work_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Path("book.txt").write_text("The sea was calm and the wind had gone to sleep. " * 60)
    for name, blocks, layers in (("gpt", GPT, "a, f"), ("lstm", LSTM, "lstm")):
        model = f"[{{embed: tokens}}, {{stack: {{layers: [{layers}]}}}}, {{norm: rmsnorm}}, {{head: lm}}]"
        text = f"recipe: {name}\nd_model: 64\ntokenizer: byte\n{blocks}\nmodel: {model}\n{TRAIN}\n"
        Path(f"{name}.yaml").write_text(text)
    for text in re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        for line in text.splitlines():
            program, *arguments = shlex.split(line.removeprefix("$ "))
            assert (program, main(arguments)) == ("blocks", 0), line
    for path in Path("compared").iterdir():
        assert path.is_dir() or path.name == ".lock" or f"`{path.name}`" in PAGE


def test_it_names_all_columns_and_keys() -> None:
    assert [name for name in HEADS[1:] if f"`{name}`" not in PAGE] == []
    assert [name for name in SHARED if f"`{name}`" not in PAGE] == []


def test_codes_are_known() -> None:
    assert set(re.findall(r"B\d{4}", PAGE)) <= set(CODES)
