"""The program itself: help, versions, wrong words, exit codes, and no traceback for anybody."""

import io
from types import SimpleNamespace

import pytest

import blocks
from blocks import Registry, cli
from blocks.cli import main
from blocks.command import Command


def install(monkeypatch: pytest.MonkeyPatch, run: object) -> None:
    """Make `blocks odd` a command that runs `run`."""

    class Plugin:
        @blocks.hookimpl
        def register_commands(self, register: blocks.Register) -> None:
            register("odd", Command("odd", "blocks odd", lambda parser: None, run), help="odd")  # type: ignore[arg-type]

    registry = Registry([]).with_plugin(Plugin())
    monkeypatch.setattr(cli.Registry, "installed", lambda *, plugins=True: registry)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    out = capsys.readouterr().out
    for command in (
        "build",
        "check",
        "cost",
        "draw",
        "eject",
        "new-plugin",
        "plugins",
        "recipes",
        "show",
        "why",
    ):
        assert f"\n  {command} " in out
    assert "\n  BLOCKS_PLUGINS " in out


@pytest.mark.parametrize(
    "command", ["build", "check", "cost", "draw", "eject", "new-plugin", "plugins", "recipes", "show", "why"]
)
def test_every_command_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"examples:\n  blocks {command}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"blocks {blocks.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "help"),
    [
        (["shwo"], "did you mean 'show'?"),
        (["xyzzy"], "see blocks --help"),
        (["--verbos"], "see blocks --help"),
        (["show"], "see blocks show --help"),
        (["show", "gpt2", "--nope"], "see blocks show --help"),
    ],
)
def test_wrong_usage_is_2(arguments: list[str], help: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error[B0805]")
    assert f"= help: {help}" in captured.err


def test_a_missing_recipe_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "gtp2"]) == 1
    assert "did you mean 'gpt2'?" in capsys.readouterr().err


def test_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(args: object) -> int:
        raise ZeroDivisionError("division by zero")

    install(monkeypatch, run)
    assert main(["odd"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error[B0900]: ZeroDivisionError: division by zero")
    assert "Traceback" not in err
    monkeypatch.setenv("BLOCKS_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        main(["odd"])


def test_interrupted_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(args: object) -> int:
        raise KeyboardInterrupt

    install(monkeypatch, run)
    assert main(["odd"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_full_disk_is_said_plainly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(args: object) -> int:
        raise OSError(28, "No space left on device", "model/model.safetensors")

    install(monkeypatch, run)
    assert main(["odd"]) == 1
    assert "error[B0807]: No space left on device model/model.safetensors" in capsys.readouterr().err


def test_colour_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert cli.wants_color(terminal)  # type: ignore[arg-type]
    assert not cli.wants_color(io.StringIO())
    assert not cli.wants_color(None)  # a closed stream
    monkeypatch.setenv("NO_COLOR", "1")
    assert not cli.wants_color(terminal)  # type: ignore[arg-type]
