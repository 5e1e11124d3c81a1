"""docs/guide/tokenizers.md: its commands print what the page shows, its code works, its tables name what there is."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

import blocks
from blocks import Registry
from blocks.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "tokenizers.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def printed(command: str) -> str:
    program, *arguments = shlex.split(command)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert (program, main(arguments)) == ("blocks", 0), command
    return re.sub(r"\b[0-9a-f]{64}\b", "…", out.getvalue())


def shown(session: str) -> list[tuple[str, str]]:
    """Command -> what stands below it."""
    parts = re.split(r"^\$ (.+)\n", session, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def test_commands_and_code_work_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for language, name, text in FENCES:
        if name:
            Path(name).write_text(text, encoding="utf-8")
        elif language == "console":
            for command, wanted in shown(text):
                got = printed(command)
                before, _, after = wanted.partition("\n…\n")  # where the page leaves something out
                assert got.startswith(before), command
                assert got.endswith(after), command
                assert after or got == wanted, command
        elif language == "python":
            exec(compile(text, "tokenizers.md", "exec"), {})
        else:
            assert blocks.load(text).plan().sizes.vocab_size == 4000


def test_every_tokenizer_and_every_option_is_in_a_table() -> None:
    registry = Registry.installed(plugins=False)
    names = [entry.name for entry in registry.of_kind("tokenizer")]
    first = PAGE.partition("## Train")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", first, re.MULTILINE)) == sorted(names)
    said = set(re.findall(r"`(\w+)`", PAGE))
    for name in names:
        options = set(registry.find("tokenizer", name).load().model_fields)
        assert options - {"path"} <= said, name
