"""Every command and every piece of code in README.md does what the page says."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from blocks.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def snippets(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def sessions() -> list[tuple[str, list[str]]]:
    """Command -> the lines that the page shows below it."""
    found: list[tuple[str, list[str]]] = []
    for block in snippets("console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the recipes of the page, and the current one."""
    for text in snippets("yaml"):
        name = text.splitlines()[0].removeprefix("# ")
        (tmp_path / name).write_text(text.partition("\n")[2], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


@pytest.mark.parametrize(("command", "shown"), sessions(), ids=[command for command, _ in sessions()])
def test_command_prints_what_the_page_shows(command: str, shown: list[str], folder: Path) -> None:
    program, *arguments = shlex.split(command)
    assert program == "blocks"
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        code = main(arguments)
    printed = [line.rstrip() for line in stream.getvalue().splitlines()]
    assert code == (1 if any(line.startswith("error[") for line in shown) else 0), stream.getvalue()
    assert printed
    at = 0
    for line in shown:
        if line and line != "…":
            assert line in printed[at:], f"{line!r} is not printed here:\n{stream.getvalue()}"
            at = printed.index(line, at) + 1


@pytest.mark.parametrize("code", snippets("python"), ids=lambda code: code.splitlines()[0])
def test_python_prints_what_the_comments_say(code: str, folder: Path) -> None:
    promised = [line.partition("  # ")[2] for line in code.splitlines() if line.startswith("print(")]
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    assert stream.getvalue().splitlines() == promised


def test_every_file_linked_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_make_has_the_targets() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^make (\w+)$", "\n".join(snippets("sh")), flags=re.MULTILINE)
    assert targets == ["demo", "test"]
    assert [target for target in targets if f"\n{target}:" not in makefile] == []
