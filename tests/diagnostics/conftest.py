"""Golden diagnostics: the cases of the folder `cases`, one file a code, and how they are read and run.

    = what is wrong                   one case; a file has as many as its code has faces
    $ blocks check r.yaml             the command, where it is another one than this; what stands before the last
                                      one prepares the folder: blocks, mkdir, truncate (by a byte), ln -s;
                                      `python EXPRESSION`; after it `| grep WORD`; before it VARIABLE=value,
                                      WITHOUT=a module that is then not there
    --- r.yaml                        a file; (escaped): with Python's escapes; (computed): a Python expression
    --- plugin left                   the plugin of the distribution left-dist, which runs in a process of its own
    --- expected                      what is printed, to the letter
    = page block                      how the examples of `blocks why CODE` become recipes: a skeleton of below,
    = page                            or files of its own, with <<page>>, <<page 2>> for the parts between `...`
    = page not tried                  or why they cannot

`REWRITE_DIAGNOSTICS=1 pytest tests/diagnostics` writes what is printed now; review the difference as code.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pytest

import blocks
from blocks.cli import main

CASES = Path(__file__).parent / "cases"
PAGE = "page"
NOT_TRIED = "page not tried"

_TOP = "recipe: r\nd_model: 512\nvocab_size: 1000\n"
_BLOCKS = (
    "blocks:\n  attention: {mixer: multi_head, n_heads: 8}\n  ffn: {mixer: mlp}\n  mamba2: {mixer: mamba2}\n"
)
_MODEL = "model:\n  - embed: tokens\n  - stack: {depth: 4, cycle: [attention, ffn]}\n  - head: lm\n"
SKELETONS = {
    "recipe": "<<page>>",
    "top": _TOP + _BLOCKS + _MODEL + "<<page>>",
    "let": _TOP + "let:\n  <<page>>\n" + _BLOCKS + _MODEL,
    "block": _TOP + _BLOCKS + "  <<page>>\n" + _MODEL.replace("ffn]", "ffn, <<names>>]").replace("4,", "12,"),
    "option": _TOP + "blocks:\n  attention: {mixer: multi_head, <<inline>>}\n" + _MODEL.replace(", ffn]", "]"),
    "ffn": _TOP + "blocks:\n  ffn: {mixer: mlp, <<inline>>}\n" + _MODEL.replace("attention, ", ""),
    "stack": _TOP + _BLOCKS + "model:\n  - embed: tokens\n  - stack:\n      depth: 12\n      <<page>>\n  - head: lm\n",
    "layout": _TOP + _BLOCKS + "model:\n  - embed: tokens\n  - stack:\n      <<page>>\n  - head: lm\n",
    "decoder": _TOP
    + _BLOCKS
    + "  look: {mixer: multi_head, n_heads: 8, memory: encoder}\n  <<page>>\nmodel:\n"
    + "  encoder: [{embed: tokens}, {stack: {depth: 2, cycle: [attention, ffn]}}]\n"
    + "  decoder: [{embed: tokens}, {stack: {layers: [attention, look, <<names>>]}}, {head: lm}]\n",
}  # fmt: skip
"""Recipes that the example of a page is put into; its keys take the place of those that stand beside it."""


@dataclass
class Case:
    """One mistake: `files` and `plugins` by name, the commands, and what is printed."""

    code: str
    title: str
    commands: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    expected: str = ""
    reason: str = ""

    @property
    def is_page(self) -> bool:
        """Whether it says how the examples of a page are tried."""
        return self.title.split()[:1] == [PAGE]

    def plugins(self) -> dict[str, str]:
        """Name -> source of the plugins that are installed for it."""
        return {key.split()[1]: text for key, text in self.files.items() if key.startswith("plugin ")}


def read_cases(path: Path) -> list[Case]:
    """The cases of one file."""
    found: list[Case] = []
    section: str | None = None
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.startswith("= "):
            found.append(Case(path.stem, line[2:]))
            section = None
        elif line.startswith("--- "):
            section = line
            if line != "--- expected":
                found[-1].files[line[4:]] = ""
        elif section == "--- expected":
            found[-1].expected += line + "\n"
        elif section is not None:
            found[-1].files[section[4:]] += line + "\n"
        elif line.startswith("$ "):
            found[-1].commands.append(line[2:])
        elif line:
            found[-1].reason += line + "\n"
    for case in found:
        case.expected = case.expected.rstrip("\n") + "\n"
        case.files = {name: text.rstrip("\n") + "\n" for name, text in case.files.items()}
    return found


def write_cases(cases: list[Case]) -> None:
    """Write the cases of one code as `read_cases` reads them."""
    parts = []
    for case in cases:
        lines = [f"= {case.title}", *(f"$ {command}" for command in case.commands)]
        text = "\n".join(lines) + "\n" + case.reason
        text += "".join(f"--- {name}\n{content}" for name, content in case.files.items())
        parts.append(text + (f"--- expected\n{case.expected}" if not case.is_page else ""))
    (CASES / f"{cases[0].code}.txt").write_text("\n".join(parts), encoding="utf-8")


ALL = {path.stem: read_cases(path) for path in sorted(CASES.glob("*.txt"))}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for `case`, `page_case` or `code` each of them."""
    flat = [case for cases in ALL.values() for case in cases]
    if "case" in metafunc.fixturenames:
        some = [case for case in flat if not case.is_page]
        metafunc.parametrize("case", some, ids=[f"{case.code}: {case.title}" for case in some])
    if "page_case" in metafunc.fixturenames:
        some = [case for case in flat if case.is_page and case.title != NOT_TRIED]
        metafunc.parametrize("page_case", some, ids=[case.code for case in some])


@pytest.fixture(scope="session")
def all_cases() -> dict[str, list[Case]]:
    """Code -> its cases."""
    return ALL


Run: TypeAlias = Callable[[Case], str]


@pytest.fixture
def printed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stranger: Callable[..., Path],
) -> Run:
    """Run a case in a folder of its own; returns what its last command printed, without what differs by machine."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(case: Case) -> str:
        for name, source in case.plugins().items():
            stranger(name, source, folder=tmp_path)
        for name, text in case.files.items():
            if not name.startswith("plugin "):
                _write(folder, name, text)
        shown = ""
        for command in case.commands or ["blocks check r.yaml"]:
            command, _, wanted = command.partition(" | grep ")
            shown = apart(command) if case.plugins() else here(command)
            shown = "\n".join(line for line in shown.split("\n") if wanted in line)
        shown = shown.replace(str(folder.resolve()), "HERE").replace(str(tmp_path.resolve()), "TMP")
        return "\n".join(line.rstrip() for line in shown.strip("\n").split("\n")) + "\n"

    def here(command: str) -> str:
        words, variables = _words(command)
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
                if name == "WITHOUT":
                    patch.setitem(sys.modules, value, None)
            if words[0] == "blocks":
                code = main(words[1:])
                captured = capsys.readouterr()
                return captured.err + captured.out * (code != 0 or not captured.err)
            if words[0] == "python":
                return _evaluated(words[1])
        _prepare(words)
        return ""

    def apart(command: str) -> str:
        words, variables = _words(command)
        program = "import sys; from blocks.cli import main; sys.exit(main())"
        path = os.pathsep.join([str(tmp_path), *sys.path])
        done = subprocess.run(
            [sys.executable, "-c", program, *words[1:]], capture_output=True, text=True, check=False, timeout=120,
            env={**os.environ, "PYTHONPATH": path, **variables},
        )  # fmt: skip
        return done.stderr + done.stdout * (done.returncode != 0 or not done.stderr)

    return run


def _words(command: str) -> tuple[list[str], dict[str, str]]:
    words = shlex.split(command)
    variables = {}
    while "=" in words[0]:
        name, _, variables[name] = words.pop(0).partition("=")
    return words, variables


def _evaluated(expression: str) -> str:
    try:
        eval(expression, {"blocks": blocks})
    except blocks.BlocksError as error:
        return str(error)
    return ""


def _prepare(words: list[str]) -> None:
    match words:
        case ["mkdir", name]:
            Path(name).mkdir()
        case ["truncate", name]:
            Path(name).write_bytes(Path(name).read_bytes()[:-1])
        case ["ln", "-s", target, name]:
            Path(name).symlink_to(target)
        case _:
            raise ValueError(f"no preparation: {words}")


def _write(folder: Path, name: str, text: str) -> None:
    name, _, how = name.partition(" ")
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if how == "(escaped)":
        path.write_bytes(text.encode().decode("unicode_escape").encode("latin-1"))
    elif how == "(computed)":
        path.write_text(eval(text, {}), encoding="utf-8")
    else:
        path.write_text(text, encoding="utf-8")


# The examples of a page -------------------------------------------------------------------------------------------


def embedded(case: Case, example: str) -> Case:
    """The case with an example of its page in the place of <<page>>."""
    example = re.sub(r" {3,}[(#].*$", "", example, flags=re.MULTILINE)
    name = case.title.removeprefix(PAGE).strip()
    files = dict(case.files)
    commands = case.commands
    if name == "commands":
        commands = [*commands, *example.split("\n")]
    elif name:
        files |= {"r.yaml": SKELETONS[name]}
    parts = example.split("\n...\n")
    commands = [command.replace("<<page>>", example) for command in commands]
    return Case(case.code, case.title, commands, {n: _filled(text, parts) for n, text in files.items()})


def _filled(text: str, parts: list[str]) -> str:
    names = re.findall(r"^([\w-]+):", parts[0], re.MULTILINE)
    text = text.replace("<<names>>", ", ".join(names)).replace("<<inline>>", ", ".join(parts[0].split("\n")))
    for index, part in enumerate(parts):
        mark = f"<<page {index + 1}>>" if index else "<<page>>"
        found = re.search(rf"^( *)((?:- )?){re.escape(mark)}", text, re.MULTILINE)
        if found is None:
            text = text.replace(mark, part)
            continue
        space = found[1] + " " * len(found[2])
        for key in re.findall(r"^([\w-]+):", part, re.MULTILINE):
            text = re.sub(rf"^{space}{key}:.*\n(?:{space} .*\n)*", "", text, flags=re.MULTILINE)
        text = text.replace(mark, part.replace("\n", "\n" + space))
    return text


@pytest.fixture(scope="session")
def embed() -> Callable[[Case, str], Case]:
    """Put an example into the case of its page."""
    return embedded


@pytest.fixture(scope="session")
def rewrite() -> Callable[[Case, str], None]:
    """Write what is printed now into the file of a case."""

    def write(case: Case, shown: str) -> None:
        case.expected = shown
        write_cases(ALL[case.code])

    return write
