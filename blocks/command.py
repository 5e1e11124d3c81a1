"""A command of the `blocks` program, as a plugin registers it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """`blocks NAME …`.

    summary    one sentence
    example    command lines that work as they stand, shown by --help
    configure  adds the arguments to a parser
    run        does the work and returns the exit code; `args.registry` is the Registry to use, `args.color`
               whether the terminal shows colours. Raises BlocksError for anything that a person did wrong.
    """

    summary: str
    example: str
    configure: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]
