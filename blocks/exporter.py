"""Exporters: how a built model becomes a folder, or one file, that other programs read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blocks.planned import Plan
    from blocks.registry import Registry


def _quiet(step: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class Exporting:
    """What an exporter is given.

    model      the module, on the CPU and in evaluation mode
    plan       its plan
    registry   the components, importers and exporters to use
    tokenizer  the folder `tokenizer` of the build folder that it came from; None: there is none
    step       called with the name of each step as it begins
    """

    model: Any
    plan: Plan
    registry: Registry
    tokenizer: Path | None = None
    step: Callable[[str], None] = field(default=_quiet)


@dataclass(frozen=True, slots=True)
class Exporter:
    """`blocks export R_OR_BUILD --to NAME`.

    write   writes into an empty folder and returns what to print about it, a line each. Raises BlocksError; a
            ValueError says what about the model has no place in the format
    marks   the file by which a folder is known to be its own: another one is never replaced
    suffix  of a single file that says it all, which then is called model + suffix; "": it writes a folder
    steps   their number, for the progress bar
    """

    write: Callable[[Exporting, Path], Iterable[str]]
    marks: str
    suffix: str = ""
    steps: int = 1
