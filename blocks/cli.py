"""The `blocks` program: finds the command, runs it, and turns every refusal into a message and an exit code.

Exit codes: 0 ok, 1 the recipe or the input is wrong, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import warnings
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from functools import partial
from typing import IO, Any, NoReturn

from blocks import __version__
from blocks.diagnostics import BlocksError, BlocksWarning, BuildError, UsageError
from blocks.registry import Entry, Registry
from blocks.render import plain, render
from blocks.suggest import did_you_mean

TITLE = "Describe, compare and build sequence-model architectures."
EXAMPLE = """\
examples:
  blocks show nemotron-h-8b
  blocks cost llama-3.1-8b nemotron-h-8b --context 1k..1M
  blocks build hybrid-tiny -o model/
"""


ENVIRONMENT = """\
  BLOCKS_PLUGINS         load the plugins of these distributions alone: "blocks-retention,other"
  BLOCKS_PLUGIN_TIMEOUT  seconds that importing a plugin may take (5)
"""


class Parser(ArgumentParser):
    """An ArgumentParser whose errors are diagnostics."""

    def error(self, message: str) -> NoReturn:
        raise UsageError.of("B0805", message, help=f"see {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if (
        argv is None
    ):  # a program of its own: the graph of a deep model is many objects, and none of them garbage
        gc.set_threshold(100_000, 20, 50)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", BlocksWarning)
            warnings.showwarning = partial(_show, warnings.showwarning)
            return _run(arguments)
    except BlocksError as error:
        _complain(error, as_json="--json" in arguments)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if "BLOCKS_TRACEBACK" in os.environ:
            raise
        place = f" {error.filename}" if error.filename else ""
        help = "choose a place that can be written to"
        _complain(
            BuildError.of("B0807", f"{error.strerror or error}{place}", help=help),
            as_json="--json" in arguments,
        )
        return 1
    except Exception as error:
        if "BLOCKS_TRACEBACK" in os.environ:
            raise
        reason = ", ".join(
            [f"{type(error).__name__}: {error}".splitlines()[0], *getattr(error, "__notes__", ())]
        )
        help = "this is a mistake in blocks or in a plugin; BLOCKS_TRACEBACK=1 shows where"
        _complain(BuildError.of("B0900", reason, help=help), as_json="--json" in arguments)
        return 1


def _show(show: Callable[..., None], message: Warning | str, *about: Any, **options: Any) -> None:
    """Print a warning of ours as a line, and others as Python does."""
    if isinstance(message, BlocksWarning):
        print(f"warning: {plain(str(message))}", file=sys.stderr)
    else:
        show(message, *about, **options)


def _run(arguments: list[str]) -> int:
    at = next((i for i, word in enumerate(arguments) if not word.startswith("-")), len(arguments))
    options = _parser().parse_args(arguments[:at])
    registry = Registry.installed(plugins=not options.no_plugins)
    if options.version:
        print(f"blocks {__version__}")
        return 0
    entries = {entry.name: entry for entry in registry.of_kind("command")}
    if options.help or at == len(arguments):
        print(_overview(entries))
        return 0
    name = arguments[at]
    if name.partition(":")[2] not in entries and name not in entries:
        near = did_you_mean(name, entries)
        help = f"did you mean {near!r}?" if near else "see blocks --help"
        raise UsageError.of("B0805", f"there is no command {name!r}", help=help)
    if name != "plugins":  # which shows them
        _name_culprits(registry)
    try:
        return _command(registry.find("command", name), arguments[at + 1 :], registry)
    finally:
        _name_passed_over(registry)


def _name_culprits(registry: Registry) -> None:
    """One line on stderr about the plugins that failed: what follows goes on without them."""
    failed = [plugin for plugin in registry.plugins if plugin.error]
    if len(failed) == 1:
        _warn(failed[0].code, f"{failed[0].title} is left out: {failed[0].error}")
    elif failed:
        names = ", ".join(plugin.title.removeprefix("plugin ") for plugin in failed)
        _warn(failed[0].code, f"{len(failed)} plugins are left out: {names}")


def _name_passed_over(registry: Registry) -> None:
    """One line on stderr for each component that no sentence can name, as its plugin fails."""
    for error in registry.passed_over.values():
        for found in error.diagnostics:
            _warn(found.code, found.message)


def _warn(code: str, message: str) -> None:
    print(f"warning[{code}]: {plain(message)} (see `blocks plugins`)", file=sys.stderr)


def _parser() -> Parser:
    parser = Parser(prog="blocks", add_help=False, allow_abbrev=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("--no-plugins", action="store_true")
    return parser


def _overview(entries: dict[str, Entry]) -> str:
    width = max(map(len, entries), default=0)
    commands = "\n".join(f"  {name:<{width}}  {entry.help}" for name, entry in sorted(entries.items()))
    return (
        f"usage: blocks [--version] [--no-plugins] COMMAND ...\n\n{TITLE}\n\ncommands:\n{commands}\n\n"
        f"options:\n  --version     print the version\n  --no-plugins  use what came with blocks alone\n\n"
        f"environment:\n{ENVIRONMENT}\n{EXAMPLE}\n`blocks COMMAND --help` says more."
    )


def _command(entry: Entry, arguments: list[str], registry: Registry) -> int:
    command = entry.load()
    parser = Parser(
        prog=f"blocks {entry.name}",
        description=command.summary,
        epilog="examples:\n" + "".join(f"  {line}\n" for line in command.example.splitlines()),
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.configure(parser)
    try:
        options = parser.parse_args(arguments)
    except SystemExit as done:  # --help
        return int(done.code or 0)
    options.registry = registry
    options.color = wants_color(sys.stdout)
    code: int = command.run(options)
    return code


def wants_color(stream: IO[str] | None) -> bool:
    """Whether to colour what is written to `stream` (https://no-color.org)."""
    return (
        stream is not None
        and stream.isatty()
        and "NO_COLOR" not in os.environ
        and os.environ.get("TERM") != "dumb"
    )


def _complain(error: BlocksError, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([diagnostic.as_json() for diagnostic in error.diagnostics], indent=2))
    else:
        print(render(error.diagnostics, error.sources, color=wants_color(sys.stderr)), file=sys.stderr)
